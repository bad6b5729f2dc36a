from __future__ import annotations

import numpy as np
import pytest
from bilinear import bilinear
from PIL import Image

from sam3_ros.core.bundle.manifest import Preprocessing
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.transform import ImageTransform

HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def stretch(interpolation: str = "bilinear") -> Preprocessing:
    return Preprocessing(120, 160, *IMAGENET, "stretch", interpolation)  # type: ignore[arg-type]


def padded(side: int = 128) -> Preprocessing:
    return Preprocessing(side, side, *IMAGENET, "longest_side", "bilinear_antialias")


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def normalised(image: np.ndarray) -> np.ndarray:
    """Normalise an image by the plain formula: f64[3,h,w]."""
    mean, std = (np.array(values) for values in IMAGENET)
    return ((image / 255.0 - mean) / std).transpose(2, 0, 1)


def transform(
    how: Preprocessing, height: int, width: int, prompt_space: ImageSize | None = None
) -> ImageTransform:
    return ImageTransform(ImageSize(height, width), how, prompt_space)


def test_antialiased_stretching_equals_pillow() -> None:
    image = noise(480, 640)
    values = transform(stretch("bilinear_antialias"), 480, 640).pixel_values(image)
    small = np.array(Image.fromarray(image).resize((160, 120), Image.BILINEAR))
    assert values.shape == (1, 3, 120, 160)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[0], normalised(small), atol=2e-6)


def test_plain_bilinear_equals_the_reference_to_one_level() -> None:
    image = noise(240, 352)
    values = transform(stretch(), 240, 352).pixel_values(image)
    planes = np.moveaxis(image, 2, 0)
    small = np.stack([bilinear(plane, 120, 160) for plane in planes], axis=-1)
    one_level = 1 / 255 / 0.224
    np.testing.assert_allclose(values[0], normalised(small), atol=one_level)


def test_area_of_a_whole_ratio_is_the_mean_of_each_block() -> None:
    image = noise(480, 640)
    values = transform(stretch("area"), 480, 640).pixel_values(image)
    blocks = image.reshape(120, 4, 160, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(values[0], normalised(blocks), atol=0.51 / 255 / 0.224)


def test_an_image_of_the_right_size_is_only_normalised() -> None:
    image = noise(120, 160)
    values = transform(stretch(), 120, 160).pixel_values(image)
    np.testing.assert_allclose(values[0], normalised(image), atol=2e-6)


def test_padding_lies_bottom_right_and_is_zero_after_normalising() -> None:
    image = noise(48, 96)
    values = transform(padded(), 48, 96).pixel_values(image)
    small = np.array(Image.fromarray(image).resize((128, 64), Image.BILINEAR))
    np.testing.assert_allclose(values[0, :, :64], normalised(small), atol=2e-6)
    assert not values[0, :, 64:].any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4000), (4000, 1)])
def test_extreme_shapes_still_fit(height: int, width: int) -> None:
    image = noise(height, width)
    for how in (stretch(), padded()):
        frame = transform(how, height, width)
        assert frame.pixel_values(image).shape == (1, 3, how.height, how.width)
        logits = np.ones((16, 16), np.float32)
        assert frame.mask_to_source(logits, 0).all()
        assert frame.mask_to_source(logits, 0).shape == (height, width)


def test_points_scale_into_the_prompt_space() -> None:
    frame = transform(stretch(), 480, 640, ImageSize(1008, 1008))
    points = frame.points_to_prompt_space([(0, 0), (640, 480), (320, 120)])
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, [[0, 0], [1008, 1008], [504, 252]])
    assert frame.points_to_prompt_space([]).shape == (0, 2)


def test_points_of_a_padded_image_keep_the_aspect() -> None:
    # EfficientViT-SAM's case: an encoder of 512, prompts in 1024.
    frame = transform(padded(512), 480, 640, ImageSize(1024, 1024))
    points = frame.points_to_prompt_space([(640, 480), (320, 240)])
    np.testing.assert_allclose(points, [[1024, 768], [512, 384]])


def test_padded_points_follow_the_rounded_size_as_segment_anything_does() -> None:
    # ResizeLongestSide: 333 * 1024 / 500 = 681.98 -> 682 px.
    frame = transform(padded(1024), 333, 500, ImageSize(1024, 1024))
    np.testing.assert_allclose(frame.points_to_prompt_space([(500, 333)]), [[1024, 682]], rtol=1e-6)


@pytest.mark.parametrize("how", [stretch(), padded()])
def test_boxes_come_back_where_they_were(how: Preprocessing) -> None:
    frame = transform(how, 480, 640)
    boxes = [Box(10, 20, 110, 220), Box(0, 0, 640, 480)]
    back = frame.boxes_to_source(frame.boxes_to_model(boxes))
    np.testing.assert_allclose(back, [box.as_tuple() for box in boxes], atol=1e-3)


def test_a_box_is_centre_and_size_as_fractions_of_the_frame() -> None:
    whole = [Box(0, 0, 640, 480)]
    np.testing.assert_allclose(
        transform(stretch(), 480, 640).boxes_to_model(whole), [[0.5, 0.5, 1, 1]]
    )
    np.testing.assert_allclose(
        transform(padded(), 480, 640).boxes_to_model(whole), [[0.5, 0.375, 1, 0.75]]
    )
    assert transform(stretch(), 480, 640).boxes_to_model([]).shape == (0, 4)


def test_a_box_of_no_extent_still_becomes_a_box() -> None:
    corners = transform(stretch(), 480, 640).boxes_to_source(np.array([[0.5, 0.5, 0, 0]]))
    Box(*(float(corner) for corner in corners[0]))


@pytest.mark.parametrize("size", [(480, 640), (97, 211), (48, 33), (120, 160)])
def test_a_stretched_mask_is_resized_before_the_threshold(size: tuple[int, int]) -> None:
    logits = np.random.default_rng(3).normal(size=(60, 80)).astype(np.float32)
    expected = bilinear(logits, *size)
    mask = transform(stretch(), *size).mask_to_source(logits, 0.25)
    assert mask.dtype == np.bool_
    assert mask.shape == size
    # A logit within float32's rounding of the threshold may fall on either side.
    certain = np.abs(expected - 0.25) > 1e-5
    assert certain.mean() > 0.999
    np.testing.assert_array_equal(mask[certain], (expected > 0.25)[certain])


def test_a_mask_through_the_padded_input_follows_segment_anything() -> None:
    logits = np.random.default_rng(4).normal(size=(32, 32)).astype(np.float32)
    frame = transform(padded(64), 100, 150, ImageSize(128, 128))
    # 100 x 150 fits 128 x 128 as 85 x 128.
    expected = bilinear(bilinear(logits, 128, 128)[:85], 100, 150)
    mask = frame.mask_to_source(logits, 0.0, "through_padded_input")
    certain = np.abs(expected) > 1e-4
    np.testing.assert_array_equal(mask[certain], (expected > 0)[certain])


def test_a_padded_mask_in_one_step_leaves_the_padding_out() -> None:
    logits = np.full((32, 32), -1.0, np.float32)
    logits[:24, 8:16] = 1  # a quarter of the width, all of the content's height
    mask = transform(padded(), 480, 640).mask_to_source(logits, 0.0)
    expected = np.zeros((480, 640), np.bool_)
    expected[:, 160:320] = True
    assert mask.shape == (480, 640)
    assert (mask == expected).mean() > 0.97


def test_half_precision_masks_are_resized_in_float32() -> None:
    logits = np.random.default_rng(5).normal(size=(60, 80)).astype(np.float16)
    frame = transform(stretch(), 480, 640)
    np.testing.assert_array_equal(
        frame.mask_to_source(logits, 0), frame.mask_to_source(logits.astype(np.float32), 0)
    )
