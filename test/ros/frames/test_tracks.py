"""The tracked prompts of one camera, image by image, without a node around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenes import colour_scene

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import TrackState
from sam3_ros.core.tracking.answers import TrackedFrame
from sam3_ros.core.tracking.session import TrackingSession
from sam3_ros.ros.frames.tracks import CameraTracks, Moment, TrackedAnswer
from sam3_ros.ros.parameters.configuration import configuration
from sam3_ros.ros.prompts.active import ActivePrompt
from sam3_ros.ros.prompts.requests import Source
from sam3_ros.ros.stamps import NANOSECONDS

RED, BLUE = (6, 8, 46, 40), (80, 16, 116, 60)
SCENE = colour_scene(96, 128, {"red": RED, "blue": BLUE})
TWO = colour_scene(96, 128, {"red": [RED, BLUE]})
EMPTY = colour_scene(96, 128, {})


@pytest.fixture(scope="module")
def segmenter(sam3_bundle_path: Path) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path) as loaded:
        yield loaded


class Camera:
    """A camera's tracks; each image is a tenth of a second after the one before."""

    def __init__(self, segmenter: Segmenter, **parameters: Any) -> None:
        self._segmenter = segmenter
        self.settings = configuration({"redetect_every": 1, **parameters})
        self.tracks = CameraTracks(segmenter, lambda: self.settings)
        self.now = 100.0
        self.is_stamped = True

    def moment(self) -> Moment:
        return Moment(int(self.now * NANOSECONDS) if self.is_stamped else 0, self.now)

    def see(self, image: np.ndarray, *asked: ActivePrompt, after: float = 0.1) -> TrackedAnswer:
        self.now += after
        self.tracks.keep_only(asked)
        return self.tracks.answer(self._segmenter.encode_image(image), self.moment(), asked)

    def set(self, **values: Any) -> None:
        self.settings = replace(self.settings, **values)


def tracked(prompt: Prompt) -> ActivePrompt:
    return ActivePrompt(prompt, Source.SET, 1, tracking=True)


def text(phrase: str, **more: Any) -> ActivePrompt:
    return tracked(ConceptPrompt(phrase, **more))


def click(x: float, y: float, prompt_id: str = "it") -> ActivePrompt:
    return tracked(InteractivePrompt(points=((x, y),), id=prompt_id))


def ids(answer: TrackedAnswer) -> list[int]:
    found = (segment.track for each in answer.answers.values() for segment in each)
    return sorted(track.id for track in found if track is not None)


def test_memory_and_events_are_bounded_while_objects_come_and_go(segmenter: Segmenter) -> None:
    camera = Camera(segmenter)
    largest = 0
    for _ in range(150):  # nobody is told of the events
        assert len(ids(camera.see(TWO, text("red"), click(100, 40)))) == 3
        largest = max(largest, camera.tracks.report.nbytes)
    assert camera.tracks.report.given == 450
    assert 0 < camera.tracks.report.nbytes <= largest
    assert len(camera.tracks.events) <= 10_000
    camera.tracks.keep_only(())
    report = camera.tracks.report
    assert (report.nbytes, sum(report.states.values())) == (0, 0)
    assert [event.kind for event in camera.tracks.events].count("ended") == 450
    camera.tracks.told()
    assert camera.tracks.events == ()


def test_what_replaces_a_prompt_between_two_looks_is_tracked_in_its_place(
    segmenter: Segmenter,
) -> None:
    camera = Camera(segmenter)
    (first,) = ids(camera.see(SCENE, text("red", id="a")))
    camera.now += 0.1
    # The prompt is replaced after keep_only, by the executor's thread.
    asked = [text("blue", id="a")]
    image = segmenter.encode_image(SCENE)
    (second,) = ids(camera.tracks.answer(image, camera.moment(), asked))
    assert second > first
    assert camera.tracks.report.states == {TrackState.TENTATIVE: 1}


def test_a_prompt_that_does_not_fit_the_image_ends_alone(segmenter: Segmenter) -> None:
    camera, bad = Camera(segmenter), click(500, 20, "bad")
    answer = camera.see(SCENE, bad, text("red"))
    assert len(ids(answer)) == 1
    assert list(answer.ended) == [bad]
    assert "outside the image" in answer.ended[bad]


def test_a_click_that_is_over_stays_over_if_the_rest_of_the_image_fails(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera, it, red = Camera(segmenter), click(100, 40), text("red")
    camera.see(SCENE, it)
    with monkeypatch.context() as broken:
        broken.setattr(TrackingSession, "add", _fail)
        with pytest.raises(InferenceError):
            camera.see(EMPTY, it, red)
    answer = camera.see(SCENE, it, red)  # where its place shows something again
    assert list(answer.answers) == [red]
    assert list(answer.ended) == [it]
    assert answer.ended[it].startswith("no longer tracked: ")


def _fail(*_: object) -> TrackedFrame:
    raise InferenceError("CUDA error 700")


@pytest.mark.parametrize("is_stamped", [True, False])
def test_a_gap_is_measured_by_stamps_or_else_by_arrival(
    segmenter: Segmenter, is_stamped: bool
) -> None:
    camera, it, red = Camera(segmenter), click(100, 40), text("red")
    camera.is_stamped = is_stamped
    before = ids(camera.see(SCENE, it, red))
    assert ids(camera.see(SCENE, it, red, after=10.0)) == before
    answer = camera.see(SCENE, it, red, after=10.1)
    assert len(ids(answer)) == 1
    assert ids(answer) > before
    assert answer.ended.keys() == {it}
    assert "no image was answered for 10.1 s" in answer.ended[it]
    camera.set(tracking_gap_s=0.0)
    assert ids(camera.see(SCENE, red, after=3600.0)) == ids(answer)


def test_a_gap_without_tracks_is_none(segmenter: Segmenter) -> None:
    camera, it = Camera(segmenter), click(100, 40)
    camera.see(SCENE, text("red"))
    camera.tracks.keep_only(())
    camera.now += 100
    image = segmenter.encode_image(SCENE)
    (number,) = ids(camera.tracks.answer_earlier(image, camera.moment(), [it]))
    assert ids(camera.see(SCENE, it)) == [number]


def test_exemplars_show_what_is_tracked_and_end_with_it(segmenter: Segmenter) -> None:
    camera = Camera(segmenter)
    shown = text("red", exemplars=(Box(*RED),))
    (number,) = ids(camera.see(SCENE, shown))
    assert ids(camera.see(SCENE, shown)) == [number]
    camera.tracks.restart("the light went out")
    assert camera.tracks.cut() == {
        shown: "no longer tracked: the light went out: click again",
    }
    assert camera.tracks.cut() == {}


def test_there_is_a_finding_while_and_just_after_there_is_no_room(segmenter: Segmenter) -> None:
    camera, red = Camera(segmenter, max_objects=1), text("red")
    camera.see(SCENE, red)
    assert not camera.tracks.report.refusal(0.0)  # full, but nothing was refused
    camera.see(TWO, red)
    report = camera.tracks.report
    assert "max_objects" in report.refusal(report.refused_at + 3600)
    camera.set(max_objects=8)
    assert len(ids(camera.see(TWO, red))) == 2
    report = camera.tracks.report
    assert "max_objects" in report.refusal(report.refused_at + 5)
    assert not report.refusal(report.refused_at + 11)
    assert report.refused == 1


def test_a_click_on_nothing_counts_as_no_lack_of_room(segmenter: Segmenter) -> None:
    camera, nothing = Camera(segmenter), click(60, 90)
    answer = camera.see(SCENE, nothing)
    assert answer.ended[nothing].startswith("not tracked: ")
    assert camera.tracks.report.refused == 0
    assert [event.kind for event in camera.tracks.events] == ["refused"]
