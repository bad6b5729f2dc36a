from __future__ import annotations

import array

import numpy as np
import pytest
from std_msgs.msg import Header

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.answers.segments import best_first, mask_of, scores_message, segments_message
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
