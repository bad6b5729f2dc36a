"""Depth from files: the unit comes from the type of the numbers; what has none is refused."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.space_files.depth_file import read_depth

MILLIMETRES = np.array([[0, 800, 1250], [65535, 1, 2]], np.uint16)
METRES = (MILLIMETRES / 1000).astype(np.float32)


def encoded(values: np.ndarray, form: str, **options: object) -> bytes:
    stream = BytesIO()
    if form == "npy":
        np.save(stream, values)
    else:
        Image.fromarray(values).save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (MILLIMETRES, "PNG"),
        (MILLIMETRES, "TIFF"),
        (MILLIMETRES, "npy"),
        (METRES, "TIFF"),
        (METRES, "npy"),
        (METRES.astype(np.float64), "npy"),
        (np.asfortranarray(METRES.astype(">f4")), "npy"),
    ],
    ids=lambda each: each if isinstance(each, str) else str(each.dtype),
)
def test_every_form_gives_the_same_metres(tmp_path: Path, values: np.ndarray, form: str) -> None:
    path = tmp_path / "named.as_it_likes"
    path.write_bytes(encoded(values, form))
    metres = read_depth(path).metres
    assert np.isnan(metres[0, 0])
    np.testing.assert_allclose(metres.ravel()[1:], METRES.ravel()[1:], rtol=1e-6)


def test_what_no_float32_holds_is_not_measured(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "far.npy"
    path.write_bytes(encoded(np.array([[1e300, 1.5]]), "npy"))
    metres = read_depth(path).metres
    assert np.isnan(metres[0, 0])
    assert metres[0, 1] == 1.5
    assert not recwarn.list


def turned(form: str) -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return encoded(MILLIMETRES, form, exif=exif.tobytes() if form == "PNG" else exif)


def huge_header() -> bytes:
    """Return a .npy that says it has a million million numbers."""
    small = encoded(np.zeros((1, 1), np.float32), "npy")
    return small.replace(b"(1, 1), }          ", b"(999999, 999999), }")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded(np.zeros((2, 2), np.uint8), "PNG"), "a PNG of grey, uint8: .* has lost its unit"),
        (encoded(np.zeros((2, 2, 3), np.uint8), "PNG"), "3 colours, uint8"),
        (encoded(np.zeros((2, 2), np.uint8), "TIFF"), "a TIFF of the mode L"),
        (encoded(np.zeros((2, 2), np.int32), "npy"), r"got int32 \[2, 2\]"),
        (encoded(np.zeros((2, 2, 3), np.float32), "npy"), r"got float32 \[2, 2, 3\]"),
        (encoded(METRES, "npy")[:-4], "a damaged .npy"),
        (encoded(MILLIMETRES, "npy")[:20], "a damaged .npy"),
        (encoded(MILLIMETRES, "PNG")[:40], "table"),
        (encoded(MILLIMETRES, "TIFF")[:30], "a TIFF that cannot be read"),
        (turned("PNG"), r"orientation tag \(6\)"),
        (turned("TIFF"), r"orientation tag \(6\)"),
        (
            encoded(
                MILLIMETRES, "TIFF", save_all=True, append_images=[Image.fromarray(MILLIMETRES)]
            ),
            "table_depth",
        ),
        (huge_header(), "at most 50 megapixels"),
        (encoded(np.full((32, 32), 800, np.float32), "npy"), "divide them by 1000"),
        (b"v/1\x01", "begins with 762f3101"),
        (b"", "begins with nothing"),
    ],
)
def test_what_has_no_unit_or_is_damaged_is_refused(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    path = tmp_path / "table_depth"
    path.write_bytes(data)
    with pytest.raises(SpaceError, match=reason) as refused:
        read_depth(path)
    assert str(path) in str(refused.value)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"absent.png cannot be read: No such file"):
        read_depth(tmp_path / "absent.png")
    with pytest.raises(SpaceError, match="cannot be read: Is a directory"):
        read_depth(tmp_path)
