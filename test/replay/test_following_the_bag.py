"""The shipped model follows the objects of the shipped bag, and loses those that leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pytest
from scenes import iou

from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.masks import inmost_point, mask_bounds
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import TrackState
from sam3_ros.core.tracking.answers import TrackedFrame
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.settings import TrackingSettings
from sam3_ros.evaluation.clicks import next_click, prompt_of
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.replay.bag.truth import Labels, read_truth
from sam3_ros.ros.launching.shared_files import demo_bag

pytestmark = pytest.mark.long

IMAGES = "/camera/image/compressed"
Picture = tuple[np.ndarray, Labels]
View = tuple[ImageEmbedding, Labels]


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    """Return every tenth image of the bag, RGB, with its label image of object numbers."""
    found = []
    with open_bag(demo_bag()) as bag:
        truth = read_truth(bag, IMAGES)
        assert truth is not None
        for message in list(bag.messages([IMAGES]))[::10]:
            data = np.asarray(bag.decode(message).data)
            bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
            labels = truth.labels[read_header(message.cdr).stamp_ns]
            found.append((cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), labels))
    return found


@pytest.fixture(scope="module")
def segmenter() -> Iterator[Segmenter]:
    with Segmenter.load("tabletop", threads=2) as loaded:
        yield loaded


def views(segmenter: Segmenter, pictures: Sequence[Picture]) -> list[View]:
    return [(segmenter.encode_image(image), labels) for image, labels in pictures]


def track(segmenter: Segmenter, seen: Sequence[View], number: int) -> Iterator[TrackedFrame]:
    """Click an object in the first view; yield the answers to later views until it ends."""
    embedding, labels = seen[0]
    tracking = segmenter.track()
    tracking.add(embedding, InteractivePrompt(points=(inmost_point(labels == number),)))
    for embedding, _ in seen[1:]:
        frame = tracking.step(embedding)
        yield frame
        if not frame:
            return


def test_every_object_of_the_bag_is_followed_to_its_end(
    segmenter: Segmenter, pictures: list[Picture]
) -> None:
    """All in one session, each shown in another way; but for the one that a board hides."""
    seen = views(segmenter, pictures)
    tracking = segmenter.track()
    numbers = [n for n in range(1, 10) if all(np.any(labels == n) for _, labels in seen)]
    assert len(numbers) == 8
    for number in numbers:
        there = seen[0][1] == number
        box = mask_bounds(there)
        ways = (
            InteractivePrompt(points=(inmost_point(there),)),
            InteractivePrompt(box=box),
            MaskPrompt(there),
        )
        frame = tracking.add(seen[0][0], ways[number % 3])
        assert [event.kind for event in frame.events] == ["born"]
    overlaps = []
    for embedding, labels in seen[1:]:
        frame = tracking.step(embedding)
        assert [each.track.id for each in frame if each.track] == numbers, frame.events
        for number, segment in zip(numbers, frame, strict=True):
            overlaps.append(iou(segment.mask, labels == number))
            assert overlaps[-1] > 0.7, number
    assert np.mean(overlaps) > 0.92


def test_the_objects_of_texts_keep_their_ids_over_the_bag(
    segmenter: Segmenter, pictures: list[Picture]
) -> None:
    seen = views(segmenter, pictures)
    tracking = segmenter.track(TrackingSettings(redetect_every=2))
    first = tracking.add(seen[0][0], "red cube; ball")
    assert {str(each.track.state) for each in first if each.track} == {"tentative"}
    shown: dict[int, tuple[str, set[int]]] = {}
    for embedding, labels in seen[1:]:
        for segment in tracking.step(embedding):
            assert segment.track is not None
            if segment.bounds is None:
                assert segment.track.frames_unseen > 0
                continue
            there = np.bincount(labels[segment.mask], minlength=256)[1:]
            _, objects = shown.setdefault(segment.track.id, (segment.prompt_id, set()))
            objects.add(int(there.argmax()) + 1)
    confirmed = {each.id for each in tracking.tracks if each.state is TrackState.CONFIRMED}
    found = sorted((shown[each][0], sorted(shown[each][1])) for each in confirmed)
    # No id has named two objects, and number 9 got its own back after a board had hidden it.
    assert [each for each in found if each[0] == "ball"] == [("ball", [3]), ("ball", [9])]
    assert ("red cube", [6]) in found
    assert all(len(objects) == 1 for _, objects in found)


def panned(picture: Picture, right: bool) -> list[Picture]:
    """Return views of 400x300 that move over the picture in steps of 12 px, then stay."""
    image, labels = picture
    steps = [*range(0, 241, 12), 240, 240]
    lefts = steps if right else [240 - step for step in steps]
    cuts = [(slice(90, 390), slice(left, left + 400)) for left in lefts]
    return [(np.ascontiguousarray(image[cut]), labels[cut]) for cut in cuts]


@pytest.mark.parametrize("right", [False, True])
def test_an_object_that_leaves_the_view_is_lost_and_never_swapped_for_another(
    segmenter: Segmenter, pictures: list[Picture], right: bool
) -> None:
    seen = views(segmenter, panned(pictures[7], right))
    first, last = seen[0][1], seen[-1][1]
    left = 0
    for number in np.unique(first[first > 0]):
        if np.count_nonzero(first == number) < 700:
            continue
        answers = list(track(segmenter, seen, number))
        for followed, (_, labels) in zip(answers, seen[1:], strict=False):
            for segment in followed:
                if segment.bounds is not None:
                    there = np.bincount(labels[segment.mask], minlength=256)
                    assert there[1:].argmax() + 1 == number, segment.box
        found = [segment for segment in answers[-1] if segment.bounds is not None]
        if not np.any(last == number):
            left += 1
            assert not found, number
        elif np.count_nonzero(last == number) == np.count_nonzero(first == number):
            assert found, (number, answers[-1].events)
    assert left >= 1


def test_a_click_on_what_is_followed_does_not_spoil_it(
    segmenter: Segmenter, pictures: list[Picture]
) -> None:
    """Into the deepest error of each answer: all in all they are as good, and nothing is lost."""
    seen = views(segmenter, pictures[:5])
    numbers = [n for n in range(1, 10) if all(np.any(labels == n) for _, labels in seen)]
    tracking = segmenter.track()
    for number in numbers:
        click = InteractivePrompt(points=(inmost_point(seen[0][1] == number),))
        tracking.add(seen[0][0], click)
    before, after = [], []
    for embedding, labels in seen[1:]:
        frame = tracking.step(embedding)
        for number, segment in zip(numbers, frame, strict=True):
            true = labels == number
            click = next_click(true, segment.mask, ())
            if click is None:  # nothing is wrong
                continue
            assert segment.track is not None
            corrected = tracking.correct(segment.track.id, embedding, prompt_of((click,)))[0]
            before.append(iou(segment.mask, true))
            after.append(iou(corrected.mask, true))
    assert len(after) > 20
    assert np.mean(after) > np.mean(before) - 0.01 > 0.9
    assert min(after) > 0.75
