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
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, onnxruntime.InferenceSession]:
    """Return the stage by whether it rounds between columns and rows."""
    folder: Path = tmp_path_factory.mktemp("onnx")
    made = {}
    for between in (False, True):
        path = folder / f"pixels-{between}.onnx"
        write_onnx(Pixels(*FRAME, MEAN, STD, rounds_between=between), path)
        made[between] = onnxruntime.InferenceSession(path)
    return made


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
    sessions: dict[bool, onnxruntime.InferenceSession],
    width: int,
    height: int,
    fit: str,
    interpolation: str,
) -> None:
    how = Preprocessing(*FRAME, MEAN, STD, fit, interpolation)  # type: ignore[arg-type]
    transform = ImageTransform(ImageSize(height, width), how)
    image = picture(height, width)
    session = sessions[interpolation == "bilinear_antialias"]
    found, expected = prepared(session, image, transform), transform.pixel_values(image)
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    levels = np.abs(found - expected)[0] * 255 * np.array(STD).reshape(3, 1, 1)
    # Ties are broken by the last bit of a sum: once by OpenCV, twice by Pillow.
    assert levels.max() < 2.01
    assert np.mean(levels > 1.01) < 1e-4
    assert np.sqrt(np.mean(levels**2)) < 0.4

    content = transform._content_in(FRAME)
    assert (content == FRAME) == (fit == "stretch" or width / height == 448 / 504)
    assert not found[0, :, content.height :].any()
    assert not found[0, :, :, content.width :].any()


def prepared(
    session: onnxruntime.InferenceSession, image: np.ndarray, transform: ImageTransform
) -> np.ndarray:
    weights = transform.resize_weights()
    feeds = {"image": image, "row_weights": weights.rows, "column_weights": weights.columns}
    (found,) = session.run(["pixel_values"], feeds)
    return np.asarray(found)


@pytest.mark.parametrize(
    ("source", "interpolation"),
    [
        (FRAME, "bilinear"),  # only normalised
        (ImageSize(2 * FRAME.height, 2 * FRAME.width), "area"),
        (ImageSize(720, 1280), "bilinear_antialias"),
    ],
)
def test_where_ties_are_rare_nearly_all_values_are_equal(
    sessions: dict[bool, onnxruntime.InferenceSession], source: ImageSize, interpolation: str
) -> None:
    how = Preprocessing(*FRAME, MEAN, STD, "stretch", interpolation)  # type: ignore[arg-type]
    transform, image = ImageTransform(source, how), picture(*source)
    found = prepared(sessions[interpolation == "bilinear_antialias"], image, transform)
    apart = np.abs(found - transform.pixel_values(image))
    assert np.mean(apart > 1e-5) < 0.01


def test_the_size_of_the_image_may_vary(
    sessions: dict[bool, onnxruntime.InferenceSession],
) -> None:
    shapes = {each.name: each.shape for each in sessions[True].get_inputs()}
    assert shapes == {
        "image": ["rows", "columns", 3],
        "row_weights": [504, "rows"],
        "column_weights": [448, "columns"],
    }
