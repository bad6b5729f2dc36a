"""The pixels stage as an ONNX file, against the preprocessing on the CPU."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from sam3_ros.core.bundle.manifest import Preprocessing
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.export.models.pixels import Pixels
from sam3_ros.export.onnx_file import write_onnx

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FRAME = ImageSize(504, 448)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> onnxruntime.InferenceSession:
    path: Path = tmp_path_factory.mktemp("onnx") / "pixels.onnx"
    write_onnx(Pixels(*FRAME, MEAN, STD), path)
    return onnxruntime.InferenceSession(path)


@cache
def picture(height: int, width: int) -> np.ndarray:
    """Return noise with edges and large areas of the darkest and the brightest level."""
    image = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    image[: height // 3, : width // 2] = 255
    image[height // 2 :, : width // 3] = 0
    return image


@pytest.mark.parametrize("fit", ["stretch", "longest_side"])
@pytest.mark.parametrize("interpolation", ["bilinear", "area", "bilinear_antialias"])
@pytest.mark.parametrize(
    ("width", "height"),
    [(640, 480), (1280, 720), (1920, 1080), (37, 1013), (1013, 37), (480, 640), (90, 60), (1, 1)],
)
def test_the_stage_prepares_an_image_as_the_cpu_does(
    session: onnxruntime.InferenceSession, width: int, height: int, fit: str, interpolation: str
) -> None:
    how = Preprocessing(*FRAME, MEAN, STD, fit, interpolation)  # type: ignore[arg-type]
    transform = ImageTransform(ImageSize(height, width), how)
    image = picture(height, width)
    weights = transform.resize_weights()
    feeds = {"image": image, "row_weights": weights.rows, "column_weights": weights.columns}
    (found,) = session.run(["pixel_values"], feeds)
    expected = transform.pixel_values(image)
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    one_level = 1 / 255 / np.array(STD).reshape(3, 1, 1)
    # The CPU rounds to whole levels, after rows and after columns.
    assert (np.abs(found - expected)[0] <= 1.001 * one_level).all()

    content = transform._content_in(FRAME)
    assert (content == FRAME) == (fit == "stretch" or width / height == 448 / 504)
    assert not found[0, :, content.height :].any()
    assert not found[0, :, :, content.width :].any()


def test_an_image_of_the_models_size_is_only_normalised(
    session: onnxruntime.InferenceSession,
) -> None:
    transform = ImageTransform(FRAME, Preprocessing(*FRAME, MEAN, STD))
    weights = transform.resize_weights()
    image = picture(*FRAME)
    feeds = {"image": image, "row_weights": weights.rows, "column_weights": weights.columns}
    (found,) = session.run(None, feeds)
    np.testing.assert_allclose(found, transform.pixel_values(image), rtol=0, atol=1e-5)


def test_the_size_of_the_image_may_vary(session: onnxruntime.InferenceSession) -> None:
    shapes = {each.name: each.shape for each in session.get_inputs()}
    assert shapes == {
        "image": ["rows", "columns", 3],
        "row_weights": [504, "rows"],
        "column_weights": [448, "columns"],
    }
