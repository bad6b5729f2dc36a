from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam3_ros.core.errors import ImageError
from sam3_ros.core.image_file import decode_rgb, read_picture, read_rgb, write_png


def jpeg(image: np.ndarray, **options: object) -> bytes:
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_label_image_survives_the_png(tmp_path: Path, dtype: type) -> None:
    labels = np.arange(24).reshape(4, 6).astype(dtype) * (1 if dtype is np.uint8 else 1000)
    write_png(tmp_path / "labels.png", labels)
    with Image.open(tmp_path / "labels.png") as back:
        np.testing.assert_array_equal(np.array(back), labels)


def test_a_colour_picture_survives_the_png(tmp_path: Path, noise: np.ndarray) -> None:
    write_png(tmp_path / "picture.png", noise)
    np.testing.assert_array_equal(read_rgb(tmp_path / "picture.png"), noise)


def test_grey_and_transparent_pictures_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (5, 4), 77).save(tmp_path / "grey.png")
    Image.new("RGBA", (5, 4), (1, 2, 3, 128)).save(tmp_path / "rgba.png")
    assert read_rgb(tmp_path / "grey.png")[0, 0].tolist() == [77, 77, 77]
    assert read_rgb(tmp_path / "rgba.png").shape == (4, 5, 3)


def test_a_picture_is_turned_as_its_exif_says(noise: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    assert decode_rgb(jpeg(noise, exif=exif)).shape == (60, 40, 3)


def test_a_jpeg_cut_in_half_is_refused(tmp_path: Path, noise: np.ndarray) -> None:
    data = jpeg(noise)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"cut\.jpg is no image that can be decoded"):
        read_rgb(path)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot read the image"):
        read_rgb(tmp_path / "missing.jpg")
    with pytest.raises(ImageError, match="cannot read the image"):
        read_rgb(tmp_path)
    for data in (b"", b"not a picture"):
        with pytest.raises(ImageError, match="no image"):
            decode_rgb(data)
    with pytest.raises(ImageError, match=r"the image is no image .*: 0 bytes of no known format"):
        decode_rgb(b"")


def test_sixteen_bits_are_scaled_and_not_cut(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for name in ("deep.png", "deep.tiff"):
        Image.fromarray(grey).save(tmp_path / name)
        levels = read_rgb(tmp_path / name)
        np.testing.assert_array_equal(levels[:, :, 0], np.arange(256).reshape(16, 16))
        assert levels.shape == (16, 16, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_of_an_unknown_range_are_refused(tmp_path: Path, dtype: type) -> None:
    Image.fromarray(np.ones((4, 5), dtype)).save(tmp_path / "depth.tiff")
    with pytest.raises(ImageError, match="32 bits"):
        read_rgb(tmp_path / "depth.tiff")


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(ImageError, match="null byte"):
        read_rgb(Path("a\0b"))


def test_a_device_is_refused_before_it_is_read() -> None:
    with pytest.raises(ImageError, match="expected an image file, got the device /dev/zero"):
        read_rgb(Path("/dev/zero"))


def test_a_pipe_with_the_name_of_a_picture_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    (tmp_path / "link.png").symlink_to("x.png")
    for name in ("x.png", "link.png"):
        with pytest.raises(ImageError, match=r"^expected an image file, got the pipe"):
            read_picture(tmp_path / name)


def test_a_file_that_no_picture_of_the_size_needs_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no room
    with pytest.raises(ImageError, match=r"at most 72 MB, .* of 1099511 MB.*max_megapixels"):
        read_picture(path, max_megapixels=1)
