from __future__ import annotations

import array

import numpy as np
import pytest
from sam3_ros.msg import SegmentScore
from std_msgs.msg import Header

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.pictures.segment_numbers import best_first, pixel_values
from sam3_ros.core.segmenter.segments import Segment, TrackState, TrackStatus
from sam3_ros.ros.answers.segments import (
    mask_of,
    scores_message,
    segments_message,
)
from sam3_ros.ros.images.conversion import OwnConverter
from sam3_ros.ros.images.messages import image_message

SIZE = ImageSize(48, 64)
HEADER = Header(frame_id="camera")


def blobs() -> list[Segment]:
    """Return segments with masks of noise, of one pixel in a corner, and of the whole image."""
    numbers = np.random.default_rng(3)
    masks = [numbers.random(SIZE) > 0.7, np.zeros(SIZE, bool), np.ones(SIZE, bool)]
    masks[1][47, 63] = True
    scores = (np.float32(0.5), 0.75, 0.5)
    return [
        Segment("mug", "cup", score, Box(1.5, -2, 60, 40), mask)
        for score, mask in zip(scores, masks, strict=True)
    ]


def test_masks_come_back_as_they_were():
    segments = best_first(blobs())
    message = segments_message(segments, {"mug": 7}, SIZE, HEADER)
    assert (message.height, message.width, message.header) == (48, 64, HEADER)
    for segment, sent in zip(segments, message.segments, strict=True):
        assert sent.mask.encoding == "mono8"
        assert len(sent.mask.data) == sent.roi.width * sent.roi.height
        np.testing.assert_array_equal(mask_of(sent, SIZE), segment.mask)
    assert (message.segments[0].roi.width, message.segments[0].roi.height) == (1, 1)


def test_scores_are_numbered_best_first():
    segments = best_first(blobs())
    scores = scores_message(segments, {"mug": 7}, HEADER).segments
    assert [(s.id, s.score) for s in scores] == [(1, 0.75), (2, 0.5), (3, 0.5)]
    assert segments[1].mask.sum() < segments[2].mask.sum()  # equal scores keep their order
    assert {(s.prompt_id, s.label, s.label_value) for s in scores} == {("mug", "cup", 7)}
    box = scores[0].box
    assert (box.x_min, box.y_min, box.x_max, box.y_max) == (1.5, -2, 60, 40)


def tracked(number: int, score: float = 0.5) -> Segment:
    """Return an object; one of score 0 is not seen."""
    state = TrackState.CONFIRMED if score else TrackState.OCCLUDED
    status = TrackStatus(number, state, age=4, frames_unseen=0 if score else 2)
    mask = np.full(SIZE, score != 0)
    return Segment("mug", "cup", score, Box(1, 2, 30, 40), mask, track=status)


def test_an_object_that_is_not_seen_is_listed_last_and_without_a_mask():
    segments = best_first([tracked(3, 0.0), tracked(9, -0.01), *blobs()])
    message = segments_message(segments, {"mug": 7}, SIZE, HEADER, pixel_values(segments, True))
    unseen = message.segments[-1]
    assert (unseen.score.track_id, unseen.score.id, unseen.score.score) == (3, 3, 0.0)
    assert (unseen.score.track_state, unseen.score.frames_unseen) == (SegmentScore.OCCLUDED, 2)
    assert (unseen.roi.width, unseen.roi.height, len(unseen.mask.data)) == (0, 0, 0)
    assert not mask_of(unseen, SIZE).any()
    assert (unseen.score.box.x_max, unseen.score.box.y_max) == (30, 40)
    seen = message.segments[-2].score
    assert (seen.track_id, seen.track_state, seen.track_age) == (9, SegmentScore.CONFIRMED, 4)
    assert [each.score.track_id for each in message.segments[:3]] == [0, 0, 0]
    assert {each.score.track_state for each in message.segments[:3]} == {SegmentScore.NOT_TRACKED}


@pytest.mark.parametrize(
    ("ids", "some_are_tracked", "numbers"),
    [
        ([0, 0], False, [1, 2]),
        ([0, 0], True, [65_535, 65_534]),  # what is tracked is not seen yet, or not any more
        ([4, 0, 2], True, [4, 65_535, 2]),
        ([65_535, 0, 65_536, 1], True, [65_535, 65_534, 1, 2]),
        ([65_534, 0, 0, 131_071], True, [65_534, 65_535, 65_533, 1]),
    ],
)
def test_a_pixel_is_the_track_wherever_it_can_be(ids, some_are_tracked, numbers):
    other = blobs()[0]
    segments = [tracked(number) if number else other for number in ids]
    assert pixel_values(segments, some_are_tracked) == numbers


def test_more_segments_than_numbers_are_refused():
    segments = blobs()[:1] * 65_535
    assert len(best_first(segments)) == 65_535
    with pytest.raises(InferenceError, match="at most 65535 segments in an image, got 65536"):
        best_first([*segments, segments[0]])


@pytest.mark.parametrize(
    ("shape", "dtype", "encoding"),
    [((5, 7), np.uint8, "mono8"), ((5, 7), np.uint16, "mono16"), ((5, 7, 3), np.uint8, "rgb8")],
)
def test_an_array_becomes_an_image_and_back(shape, dtype, encoding):
    pixels = np.random.default_rng(1).integers(0, 65536, shape).astype(dtype)
    image = image_message(pixels[:, ::-1], encoding, HEADER)  # not contiguous
    assert isinstance(image.data, array.array)
    assert image.step * image.height == len(image.data)
    if encoding == "rgb8":
        np.testing.assert_array_equal(OwnConverter().to_rgb(image), pixels[:, ::-1])
    else:
        back = np.frombuffer(image.data, dtype).reshape(shape)
        np.testing.assert_array_equal(back, pixels[:, ::-1])
