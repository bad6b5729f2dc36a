"""A session over scripted pictures: which object is which, and what is told of it."""

from __future__ import annotations

from collections import Counter, UserDict
from typing import Any

import numpy as np
import pytest
from scenes import Corners, iou, patch_mask
from scripted_tracking import SIZE, Picture, Script, ScriptedFollower
from tracked import kinds, of_id, states

from sam3_ros.core.errors import BundleError, InferenceError, PromptError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.tracking.follower import Sighting
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.settings import TrackingSettings

LEFT: Corners = (10, 20, 30, 40)
RIGHT: Corners = (80, 20, 100, 40)
CLICK = InteractivePrompt(points=((15.0, 30.0),), id="it")


def picture(*places: Corners, score: float = 0.9, **options: Any) -> Picture:
    """Return a picture of things "0", "1", ... that are all seen and detected."""
    seen = {str(number): corners for number, corners in enumerate(places)}
    return Picture(seen, [(corners, score) for corners in places], **options)


def moved(corners: Corners, x: int) -> Corners:
    left, top, right, bottom = corners
    return left + x, top, right + x, bottom


def searches(script: Script, session: Any, pictures: list[Picture]) -> list[bool]:
    """Return which of the pictures were searched for texts."""
    for each in pictures:
        session.step(each)
    return [any(each is searched for searched in script.searched) for each in pictures]


def test_a_text_starts_objects_that_are_confirmed_by_the_next_detection() -> None:
    script = Script(TrackingSettings(redetect_every=2))
    session = script.session()
    first = session.add(picture(LEFT, RIGHT), "red")
    assert kinds(first.events) == [("born", 1), ("born", 2)]
    assert states(first) == {1: "tentative", 2: "tentative"}
    assert [each.label for each in first] == ["red", "red"]
    assert states(session.step(picture(LEFT, RIGHT))) == {1: "tentative", 2: "tentative"}
    second = session.step(picture(LEFT, RIGHT))
    assert kinds(second.events) == [("confirmed", 1), ("confirmed", 2)]
    assert second.prompt_ids == ("red",)
    assert second.by_prompt == (tuple(second),)


@pytest.mark.parametrize(("every", "searched"), [(1, "111111"), (2, "010101"), (3, "001001")])
def test_a_text_is_looked_for_in_every_so_many_images(every: int, searched: str) -> None:
    """With objects and without: who enters waits no longer than that."""
    for places in ([LEFT], []):
        script = Script(TrackingSettings(redetect_every=every))
        session = script.session()
        session.add(picture(*places), "red")
        found = searches(script, session, [picture(*places) for _ in range(6)])
        assert "".join("01"[each] for each in found) == searched


def test_a_text_is_looked_for_at_once_where_an_object_was_just_given_up() -> None:
    script = Script(TrackingSettings(redetect_every=10))
    session = script.session()
    session.add(picture(LEFT), "red")
    jumped = moved(LEFT, 12)
    frame = session.step(picture(jumped, given_up=("0",)))
    assert iou(of_id(frame, 1).mask, patch_mask(*SIZE, jumped)) == 1
    assert states(frame) == {1: "confirmed"}
    lost = [picture(given_up=("0",)) for _ in range(3)]
    assert searches(script, session, lost) == [True, False, False]


def test_a_detection_below_the_threshold_of_a_start_only_keeps_what_there_is() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    session.add(picture(LEFT), "red")
    frame = session.step(Picture({"0": LEFT}, [(LEFT, 0.55), (RIGHT, 0.65)]))
    assert states(frame) == {1: "confirmed"}
    assert of_id(frame, 1).score == 0.55


def test_an_object_keeps_its_id_where_the_detection_moved_with_it() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    session.add(picture(LEFT, RIGHT), "red")
    for step in range(1, 6):
        frame = session.step(picture(moved(RIGHT, -6 * step), moved(LEFT, 6 * step)))
        assert len(frame) == 2
    assert states(frame) == {1: "confirmed", 2: "confirmed"}


def test_an_object_that_is_found_again_near_its_place_keeps_its_id() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    session.add(picture(LEFT), "red")
    session.step(picture(LEFT))
    gone = session.step(picture(given_up=("0",)))
    assert kinds(gone.events) == [("occluded", 1)]
    hidden = of_id(gone, 1)
    assert (hidden.mask.any(), hidden.bounds, hidden.score) == (False, None, 0.0)
    assert hidden.box == Box(*LEFT)
    assert hidden.track is not None
    assert (hidden.track.age, hidden.track.frames_unseen) == (2, 1)
    back = session.step(picture(moved(LEFT, 25)))
    assert kinds(back.events) == [("found", 1)]
    assert back.events[0].frames_unseen == 1
    assert states(session.step(picture(moved(LEFT, 30)))) == {1: "confirmed"}


def test_ids_are_never_used_again() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    session.add(picture(LEFT), "red")
    assert kinds(session.remove(1)) == [("ended", 1)]
    assert states(session.step(picture(LEFT))) == {2: "tentative"}
    assert kinds(session.restart("the clock jumped back")) == [("ended", 2)]
    assert states(session.step(picture(LEFT))) == {3: "tentative"}
    assert kinds(session.remove_prompt("red")) == [("ended", 3)]
    assert session.step(picture(LEFT)) == []
    assert states(session.add(picture(LEFT), "red")) == {4: "tentative"}


def test_of_two_objects_at_one_place_the_one_that_slid_there_ends() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    session.add(picture(LEFT, RIGHT), "red")
    session.step(picture(LEFT, RIGHT))
    assert session.step(Picture({"0": RIGHT, "1": RIGHT}, [(RIGHT, 0.9)])).events == ()
    (event,) = session.step(Picture({"0": RIGHT, "1": RIGHT}, [(RIGHT, 0.9)])).events
    assert (event.kind, event.track_id) == ("ended", 1)
    assert event.reason == "it covers the same as object 2 in 2 detections"


def test_an_object_that_comes_back_takes_its_place_from_the_one_that_began_there() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    session.add(picture(LEFT), "red")
    session.step(picture(LEFT))
    session.step(Picture())  # hidden, and followed on
    for _ in range(2):  # too far away to be the same without its follower's word
        session.step(Picture({"new": RIGHT}, [(RIGHT, 0.9)]))
    back = {"0": RIGHT, "new": RIGHT}
    assert kinds(session.step(Picture(back, [(RIGHT, 0.9)])).events) == [("found", 1)]
    assert kinds(session.step(Picture(back, [(RIGHT, 0.9)])).events) == [("ended", 2)]


def test_a_good_detection_renews_the_outline_every_so_many_images() -> None:
    script = Script(TrackingSettings(redetect_every=1, renew_every=3))
    session = script.session()
    session.add(picture(LEFT), "red")
    wider = (10, 20, 31, 40)
    for _ in range(7):
        frame = session.step(Picture({"0": LEFT}, [(wider, 0.85)]))
    renewed = [frame for call, _, frame in script.follower.calls if call == "renew"]
    assert renewed == [3, 6]
    assert of_id(frame, 1).box == Box(*LEFT)
    for worse in ((wider, 0.75), ((10, 20, 40, 40), 0.9)):
        for _ in range(4):
            session.step(Picture({"0": LEFT}, [worse]))
    assert len([call for call, _, _ in script.follower.calls if call == "renew"]) == 2


def test_each_prompt_has_objects_of_its_own() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    session.add(picture(LEFT), "red; cube")
    session.add(picture(LEFT), CLICK)
    frame = session.step(picture(LEFT))
    assert [each.prompt_id for each in frame] == ["red", "cube", "it"]
    assert frame.prompt_ids == ("red", "cube", "it")
    session.remove_prompt("cube")
    assert [each.track.id for each in session.step(picture(LEFT)) if each.track] == [1, 3]


def test_there_is_room_for_so_many_objects() -> None:
    session = Script(TrackingSettings(redetect_every=1, max_objects=1)).session()
    added = session.add(picture(LEFT, RIGHT), "red")
    assert kinds(added.events) == [("born", 1), ("refused", 0)]
    why = "there are 1 objects already (max_objects 1): remove one or raise it"
    assert (added.events[1].reason, added.events[1].prompt_id) == (why, "red")
    assert kinds(session.step(picture(LEFT, RIGHT)).events) == [("confirmed", 1)]  # told once
    clicked = session.add(picture(LEFT, RIGHT), CLICK)
    assert (len(clicked), kinds(clicked.events)) == (0, [("refused", 0)])
    session.step(picture(LEFT))  # the other blinks
    assert kinds(session.step(picture(LEFT, RIGHT)).events) == []
    session.settings = TrackingSettings(redetect_every=1, max_objects=2)
    assert kinds(session.step(picture(LEFT, RIGHT)).events) == [("born", 2)]
    session.settings = TrackingSettings(redetect_every=1, max_objects=1)
    assert "there are 2 objects" in session.add(picture(LEFT, RIGHT), CLICK).events[0].reason
    session.remove_prompt("red")
    assert kinds(session.add(picture(LEFT), CLICK).events) == [("born", 3)]


def test_a_click_box_or_mask_is_one_object_that_is_confirmed_at_once() -> None:
    session = Script().session()
    image = picture(LEFT, RIGHT)
    session.add(image, CLICK)
    frame = session.add(image, MaskPrompt(patch_mask(*SIZE, RIGHT), id="that"))
    assert (states(frame), kinds(frame.events)) == ({2: "confirmed"}, [("born", 2)])
    refused = session.add(image, InteractivePrompt(points=((60.0, 90.0),)))
    assert (len(refused), refused.events[0].reason) == (0, "there is nothing")
    session.step(picture(LEFT, RIGHT))
    (event,) = session.step(picture(LEFT, RIGHT, given_up=("0",))).events
    assert (event.kind, event.track_id) == ("ended", 1)
    assert event.reason == "no longer found: given up; show it again"
    assert session.prompt_ids == ("that",)


def test_a_text_with_boxes_or_points_starts_objects_in_its_first_image_alone() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    shown = ConceptPrompt("red", exemplars=(Box(*LEFT),))
    first = session.add(Picture({"0": LEFT}, [(LEFT, 0.4)]), shown)
    assert states(first) == {1: "confirmed"}
    assert states(session.step(picture(LEFT, RIGHT))) == {1: "confirmed"}
    assert kinds(session.restart("cut")) == [("ended", 1)]
    assert session.prompt_ids == ()


def test_boxes_without_a_text_show_what_is_tracked() -> None:
    script = Script(TrackingSettings(redetect_every=1))
    session = script.session()
    shown = ConceptPrompt(exemplars=(Box(*LEFT),), id="alike")
    first = session.add(picture(LEFT, RIGHT), shown)
    assert states(first) == {1: "confirmed", 2: "confirmed"}
    session.step(picture(LEFT, RIGHT))
    assert len(script.searched) == 1  # the boxes are of the first image
    other = script.session(session.saved())
    for each in (session, other):
        frame = each.step(picture(LEFT, RIGHT, given_up=("0",)))
        assert kinds(frame.events) == [("ended", 1)]
        assert each.prompt_ids == ("alike",)


def test_what_was_shown_ends_with_its_last_object() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    shown = ConceptPrompt("red", points=((15.0, 30.0),))
    nothing = session.add(Picture(), shown)
    assert (kinds(nothing.events), session.prompt_ids) == ([("refused", 0)], ())
    assert nothing.events[0].reason == "nothing was found where it was shown"
    session.add(picture(LEFT), shown)
    session.remove(1)
    assert session.prompt_ids == ()
    session.add(picture(LEFT), shown)
    session.settings = TrackingSettings(redetect_every=1, find_within=1)
    session.step(picture(given_up=("0",)))
    assert session.prompt_ids == ("red",)
    session.step(picture())
    assert session.prompt_ids == ()


def test_an_image_is_answered_once() -> None:
    """What is added before or after the step of its image is followed from the next image on."""
    script = Script()
    session = script.session()
    image, later = picture(LEFT, RIGHT), picture(LEFT, RIGHT)
    session.add(image, CLICK)
    assert session.step(image)[0].track.age == 0
    session.step(later)
    session.add(later, InteractivePrompt(points=((90.0, 30.0),), id="that"))
    frame = session.step(later)
    assert [(each.track.id, each.track.age) for each in frame] == [(1, 1), (2, 0)]
    assert script.follower.calls == [("start", "0", 0), ("follow", "0", 1), ("start", "1", 0)]


def test_a_correction_is_answered_alone_and_counts_its_image_once() -> None:
    script = Script()
    session = script.session()
    session.add(picture(LEFT, RIGHT), CLICK)
    image = picture(LEFT, RIGHT)
    session.step(image)
    frame = session.correct(1, image, InteractivePrompt(points=((90.0, 30.0),)))
    assert [(each.track.id, each.track.age) for each in frame] == [(1, 1)]
    assert of_id(frame, 1).box == Box(*RIGHT)
    assert ("correct", "0", 1) in script.follower.calls
    nothing = session.correct(1, image, InteractivePrompt(points=((60.0, 90.0),)))
    assert (kinds(nothing.events), states(nothing)) == ([("refused", 1)], {1: "confirmed"})
    assert nothing.events[0].reason == "there is nothing"
    assert of_id(nothing, 1).box == Box(*RIGHT)


def test_a_correction_that_shows_nothing_leaves_an_object_that_can_be_followed() -> None:
    class Remembers(ScriptedFollower):
        def correct(self, _image: Any, _frame: int, state: Any, _prompt: Any) -> Sighting:
            return Sighting(None, state, "the model does not see it")

    session = Script(follower=Remembers()).session()
    session.add(picture(LEFT), "red")
    before = session.tracks
    frame = session.correct(1, picture(LEFT), CLICK)
    assert (kinds(frame.events), session.tracks) == ([("refused", 1)], before)
    assert of_id(session.step(picture(LEFT)), 1).track.frames_unseen == 0


def test_a_failed_image_leaves_everything_as_it_was() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    session.add(picture(LEFT), "red")
    before = session.tracks
    with pytest.raises(InferenceError):
        session.step(picture(LEFT, RIGHT, fails=True))
    assert session.tracks == before
    frame = session.step(picture(LEFT, RIGHT))
    assert kinds(frame.events) == [("confirmed", 1), ("born", 2)]
    assert frame[0].track.age == 1


def test_an_image_of_another_size_ends_all_and_texts_start_anew() -> None:
    session = Script().session()
    session.add(picture(LEFT), "red")
    session.add(picture(LEFT), CLICK)
    frame = session.step(picture(LEFT, size=ImageSize(96, 160)))
    assert kinds(frame.events) == [("ended", 1), ("ended", 2), ("born", 3)]
    assert frame.events[0].reason == "the image's size changed from 128x96 to 160x96"
    assert frame[0].mask.shape == (96, 160)


def test_an_image_of_another_size_is_searched_at_once_without_objects_too() -> None:
    session = Script().session()
    session.add(Picture(), "red")
    assert kinds(session.step(picture(LEFT, size=ImageSize(96, 160))).events) == [("born", 1)]


def test_the_threshold_of_a_step_comes_before_that_of_the_text() -> None:
    script = Script(TrackingSettings(redetect_every=1))
    session = script.session()
    session.add(picture(LEFT), "red", score_threshold=0.3)
    session.add(picture(LEFT), "blue")
    session.step(picture(LEFT))
    session.step(picture(LEFT), score_threshold=0.6)
    assert script.thresholds == [0.3, None, 0.3, None, 0.6, 0.6]


def test_a_follower_that_sees_nothing_leaves_it_to_detections_in_every_image() -> None:
    script = Script(every_image=True)
    session = script.session()
    session.add(picture(LEFT), "red")
    for step in range(1, 5):
        place = moved(LEFT, 4 * step)
        frame = session.step(Picture({}, [(place, 0.9)]))
        assert states(frame) == {1: "confirmed"}
        assert of_id(frame, 1).box == Box(*place)
        assert [event.kind for event in frame.events] in ([], ["confirmed"])
    assert kinds(session.step(Picture()).events) == [("occluded", 1)]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda s: s.remove(9), "no object 9 is tracked; those tracked: 1"),
        (lambda s: s.correct(9, picture(LEFT), CLICK), "no object 9 is tracked"),
        (lambda s: s.correct(1, picture(LEFT), "red"), "needs points or a box, got str"),
        (lambda s: s.remove_prompt("blue"), "no prompt 'blue' is tracked; those tracked: 'red'"),
        (lambda s: s.add(picture(LEFT), "red"), "'red' is tracked already"),
        (lambda s: s.add(picture(LEFT), " "), "text"),
        (lambda s: s.add(picture(LEFT), 7), "got int"),
        (lambda s: s.add(picture(LEFT), "blue", 2.0), "must be in 0..1, got 2"),
        (lambda s: s.step(picture(LEFT), -1.0), "must be in 0..1, got -1"),
        (lambda s: s.step(picture(LEFT), "0.5"), "must be in 0..1, got 0.5"),
        (lambda _: MaskPrompt(np.ones((4, 6), np.bool_), id=3), "id of a prompt .* got int"),  # type: ignore[arg-type]
        (
            lambda s: s.add(picture(LEFT), MaskPrompt(np.ones((4, 6), np.bool_))),
            "the mask is of 6x4 px and the image of 128x96 px",
        ),
        (
            lambda s: s.correct(1, picture(LEFT, size=ImageSize(9, 9)), CLICK),
            "the image is of 9x9 px, and objects are tracked in images of 128x96 px: step on it",
        ),
        (lambda s: s.add(picture(LEFT, size=ImageSize(9, 9)), CLICK), "the image is of 9x9 px"),
    ],
)
def test_what_cannot_be_done_is_refused(call: Any, why: str) -> None:
    session = Script().session()
    session.add(picture(LEFT), "red")
    before = session.tracks
    with pytest.raises(PromptError, match=why):
        call(session)
    assert session.tracks == before


def test_a_closed_session_says_so() -> None:
    session = Script().session()
    session.add(picture(LEFT), "red")
    session.close()
    session.close()
    assert (session.tracks, session.nbytes) == ((), 0)
    session.settings = TrackingSettings(max_objects=3)
    for call in (
        lambda: session.step(picture(LEFT)),
        lambda: session.remove(1),
        lambda: session.remove_prompt("red"),
        lambda: session.restart("cut"),
        session.saved,
    ):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_ended_objects_leave_nothing() -> None:
    session = Script(TrackingSettings(redetect_every=1)).session()
    session.add(Picture(), "red")
    sizes = []
    for number in range(30):
        place = [LEFT, RIGHT][number // 3 % 2]
        session.step(Picture({f"{number // 3}": place}, [(place, 0.9)]))
        session.restart("cut")
        sizes.append((session.nbytes, len(session.saved())))
    assert set(sizes) == {(0, 1)}
    assert session.step(picture(LEFT))[0].track.id == 31


def test_a_saved_session_goes_on_as_it_would_have() -> None:
    script = Script(TrackingSettings(redetect_every=2))
    session = script.session()
    session.add(picture(LEFT, RIGHT), "red", score_threshold=np.float32(0.4))
    session.add(picture(LEFT), CLICK)
    session.step(picture(LEFT, RIGHT))
    session.step(Picture({"0": moved(LEFT, 2)}, [(LEFT, 0.9)]))
    other = script.session(session.saved())
    assert other.tracks == session.tracks
    assert other.prompt_ids == session.prompt_ids
    for image in (
        picture(LEFT, RIGHT),
        picture(LEFT, RIGHT),
        picture(LEFT, RIGHT, (50, 60, 60, 70)),
    ):
        one, two = session.step(image), other.step(image)
        assert one.events == two.events
        for ours, theirs in zip(one, two, strict=True):
            assert (ours.track, ours.score, ours.box) == (theirs.track, theirs.score, theirs.box)
    np.testing.assert_array_equal(session.saved()["session"], other.saved()["session"])


class Slow(UserDict[str, Any]):
    """Arrays in a file: each time that one is asked for, it is read."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__(arrays)
        self.read: Counter[str] = Counter()

    def __getitem__(self, name: str) -> Any:
        self.read[name] += 1
        return super().__getitem__(name)


def test_restoring_does_not_read_everything_for_each_object() -> None:
    script = Script()
    session = script.session()
    for _ in range(9):
        session.add(picture(LEFT), CLICK)
    saved = Slow(session.saved())
    assert script.session(saved).tracks == session.tracks
    assert max(saved.read.values()) <= 2  # checked, and taken


def damaged(arrays: dict[str, np.ndarray], old: str, new: str) -> dict[str, np.ndarray]:
    text = arrays["session"].tobytes().decode().replace(old, new)
    return {**arrays, "session": np.frombuffer(text.encode(), np.uint8)}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda _: {}, 'arrays without "session"'),
        (lambda a: damaged(a, '"scripted"', '"another"'), "saved with the bundle another"),
        (lambda a: damaged(a, '"version": 3', '"version": 2'), "saved in version 2"),
        (lambda a: damaged(a, "{", "["), "cannot be read"),
        (lambda a: damaged(a, '"tentative"', '"asleep"'), "damaged"),
        (lambda a: {n: each for n, each in a.items() if n != "1/place"}, "damaged"),
        (lambda a: {**a, "1/place": a["1/place"][:3]}, "damaged"),
        (lambda a: {**a, "1/place": a["1/place"] ^ 1}, "1/place was saved as"),
        (lambda a: {**a, "1/state/name": a["1/state/name"].astype(float)}, "1/state/name was"),
        (lambda a: damaged(a, '"next_id": 2', '"next_id": 1'), "its numbers and words"),
        (lambda a: damaged(a, '"frames_unseen": 0', '"frames_unseen": null'), "its numbers"),
    ],
)
def test_what_is_no_saved_session_of_this_bundle_is_refused(change: Any, why: str) -> None:
    script = Script()
    session = script.session()
    session.add(picture(LEFT), "red")
    with pytest.raises(BundleError, match=why):
        script.session(change(session.saved()))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"memory_frames": 7}, "memory_frames of the tracking must be 1 to 6, got 7"),
        ({"redetect_every": 0}, "redetect_every of the tracking must be at least 1, got 0"),
        ({"max_objects": 0}, "max_objects"),
        ({"start_score": 1.1}, "start_score of the tracking must be 0 to 1, got 1.1"),
        ({"least_score": float("nan")}, "least_score"),
        ({"least_score": "0.5"}, "least_score"),
        ({"memory_frames": 2.5}, "memory_frames of the tracking must be a whole number, got 2.5"),
        ({"lost_frames": None}, "lost_frames of the tracking must be a whole number, got None"),
        ({"keep_apart": "false"}, "keep_apart of the tracking must be a bool, got 'false'"),
    ],
)
def test_settings_check_themselves(wrong: dict[str, float], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        TrackingSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "mask", [np.zeros((4, 4), np.bool_), np.ones((4, 4), np.uint8), np.ones(4, np.bool_), "mask"]
)
def test_a_mask_prompt_checks_itself(mask: Any) -> None:
    with pytest.raises(PromptError, match="a mask prompt needs"):
        MaskPrompt(mask)


def clicked(*places: Corners, taken_above: float | None = 0.5) -> tuple[Script, Any]:
    """Return a session that clicked things "0", "1", ..., which then were seen where they are."""
    script = Script(follower=ScriptedFollower(taken_above))
    session = script.session()
    for number, place in enumerate(places):
        alone, click = Picture({str(number): place}, []), ((place[0] + 5.0, place[1] + 5.0),)
        session.add(alone, InteractivePrompt(points=click, id=str(number)))
    session.step(picture(*places))
    return script, session


def test_what_comes_to_the_place_of_another_is_not_believed() -> None:
    _, session = clicked(LEFT, RIGHT)
    answer = session.step(picture(LEFT, moved(LEFT, 2)))
    assert states(answer) == {1: "confirmed", 2: "occluded"}
    assert [each.reason for each in answer.events] == ["#1 is there"]
    assert not of_id(answer, 2).mask.any()
    _, session = clicked(LEFT, RIGHT)
    assert states(session.step(picture(moved(RIGHT, 2), RIGHT))) == {1: "occluded", 2: "confirmed"}


def test_what_was_not_seen_does_not_come_back_in_the_place_of_another() -> None:
    _, session = clicked(LEFT, RIGHT)
    session.step(Picture({"1": RIGHT}, []))
    # However much that one moves: it was seen all the time.
    places = picture(LEFT, moved(LEFT, 5))
    assert states(session.step(places)) == {1: "occluded", 2: "confirmed"}
    assert states(session.step(picture(LEFT, RIGHT))) == {1: "confirmed", 2: "confirmed"}


def test_one_thing_that_was_asked_for_twice_is_seen_twice_ever_after() -> None:
    script, session = clicked(LEFT)
    session.add(picture(LEFT), InteractivePrompt(points=((15.0, 30.0),), id="again"))
    session.step(picture(LEFT))
    session.step(picture())
    session = script.session(session.saved())
    twice = session.step(picture(moved(LEFT, 30)))
    assert states(twice) == {1: "confirmed", 2: "confirmed"}
    assert [bool(each.mask.any()) for each in twice] == [True, True]


def test_twins_that_come_back_one_after_the_other_are_both_found() -> None:
    _, session = clicked(LEFT, moved(LEFT, 1))
    session.step(picture())
    session.step(Picture({"1": RIGHT}, []))
    assert states(session.step(picture(RIGHT, RIGHT))) == {1: "confirmed", 2: "confirmed"}


def test_without_a_word_of_the_bundle_objects_do_not_know_of_each_other() -> None:
    _, session = clicked(LEFT, RIGHT, taken_above=None)
    assert states(session.step(picture(LEFT, LEFT))) == {1: "confirmed", 2: "confirmed"}


def test_objects_have_no_say_in_each_others_answers_where_that_is_not_wanted() -> None:
    _, session = clicked(LEFT, RIGHT)
    session.settings = TrackingSettings(keep_apart=False)
    assert states(session.step(picture(LEFT, LEFT))) == {1: "confirmed", 2: "confirmed"}
    session.settings = TrackingSettings()
    # They share a place now, as one thing does that was asked for twice.
    assert states(session.step(picture(LEFT, LEFT))) == {1: "confirmed", 2: "confirmed"}
    session.step(picture(LEFT, RIGHT))
    assert states(session.step(picture(LEFT, LEFT))) == {1: "confirmed", 2: "occluded"}


def test_who_was_in_one_place_is_known_while_objects_have_no_say_in_each_others_answers() -> None:
    _, session = clicked(LEFT, RIGHT)
    session.settings = TrackingSettings(keep_apart=False)
    session.step(picture(LEFT, LEFT))
    session.step(Picture({"0": LEFT}, []))
    session.settings = TrackingSettings()
    # The second was not seen in the image before, but shared the place when it was.
    assert states(session.step(picture(LEFT, LEFT))) == {1: "confirmed", 2: "confirmed"}


def test_in_the_image_after_it_was_shown_an_object_may_be_anywhere() -> None:
    _, session = clicked(LEFT, RIGHT)
    session.correct(2, picture(LEFT, RIGHT), InteractivePrompt(points=((85.0, 25.0),)))
    assert states(session.step(picture(LEFT, LEFT))) == {1: "confirmed", 2: "confirmed"}


def test_answering_an_image_again_does_not_part_twins() -> None:
    for again in ("step", "correct"):
        _, session = clicked(LEFT, LEFT)
        hidden = Picture({"1": LEFT}, [])
        if again == "correct":
            session.correct(2, hidden, InteractivePrompt(points=((15.0, 25.0),)))
        session.step(hidden)
        session.step(hidden)
        session.step(Picture({"1": RIGHT}, []))
        found = session.step(picture(RIGHT, RIGHT))
        assert states(found) == {1: "confirmed", 2: "confirmed"}, again


def test_what_was_just_shown_keeps_its_place() -> None:
    _, session = clicked(LEFT, RIGHT)
    session.correct(1, picture(LEFT, RIGHT), InteractivePrompt(points=((15.0, 25.0),)))
    assert states(session.step(picture(LEFT, LEFT))) == {1: "confirmed", 2: "occluded"}


def test_nobody_is_doubted_for_one_that_is_not_believed() -> None:
    _, session = clicked(LEFT, RIGHT, LEFT)
    session.step(Picture({"1": RIGHT, "2": LEFT}, []))
    found = session.step(picture(LEFT, LEFT, LEFT))
    # 3 stayed. 1, which was hidden, is its twin; 2 came.
    assert states(found) == {1: "confirmed", 2: "occluded", 3: "confirmed"}


def test_what_began_while_an_object_was_out_of_sight_may_be_that_object() -> None:
    _, session = clicked(LEFT)
    session.step(picture())
    session.add(Picture({"1": LEFT}, []), InteractivePrompt(points=((15.0, 30.0),), id="anew"))
    session.step(Picture({"1": LEFT}, []))
    assert states(session.step(picture(LEFT, LEFT))) == {1: "confirmed", 2: "confirmed"}
