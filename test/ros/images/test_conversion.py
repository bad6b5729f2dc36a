"""Every encoding that cameras publish, by our converter, and by cv_bridge where it is installed.

The expectation never comes from OpenCV: a known RGB scene is encoded here by plain arithmetic.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sensor_msgs.msg import Image

from sam3_ros.core.errors import ImageError
from sam3_ros.ros.images import conversion
from sam3_ros.ros.images.conversion import (
    CvBridgeConverter,
    CvBridgeUnavailableError,
    OwnConverter,
    choose_converter,
    import_ros_2_cv_bridge,
)
from sam3_ros.ros.images.messages import LAYOUTS, PLANAR_ENCODINGS

HEIGHT, WIDTH = 16, 24


@pytest.fixture(params=["own", "cv_bridge"])
def converter(request):
    if request.param == "own":
        return OwnConverter()
    try:
        return CvBridgeConverter()
    except CvBridgeUnavailableError as reason:
        pytest.skip(f"cv_bridge comes with a ROS install, not with the wheels: {reason}")


def scene() -> np.ndarray:
    """Return RGB uint8 [H, W, 3] in two halves of even colour: mosaics are undone exactly."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2] = (200, 90, 40)
    image[:, WIDTH // 2 :] = (30, 120, 210)
    return image


def noise(channels: int, dtype: type) -> np.ndarray:
    numbers = np.random.default_rng(7).integers(
        0, np.iinfo(dtype).max + 1, (HEIGHT, WIDTH, channels)
    )
    return numbers.astype(dtype)


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> Image:
    """Return an Image of [H, W, C] pixels, each row followed by `padding` bytes of rubbish."""
    wire = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = [row.tobytes() + b"\xa5" * padding for row in wire]
    return Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=big_endian,
        step=len(rows[0]),
        data=b"".join(rows),
    )


def to_eight_bits(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return pixels
    return np.rint(pixels.astype(np.float64) * 255 / 65535).astype(np.uint8)


ORDERS = {"rgb": (0, 1, 2), "bgr": (2, 1, 0), "rgba": (0, 1, 2), "bgra": (2, 1, 0)}
NAMELESS = {1: (0, 0, 0), 3: (2, 1, 0), 4: (2, 1, 0)}
PLAIN = [
    *[(f"{name}8", order, len(name), np.uint8) for name, order in ORDERS.items()],
    *[(f"{name}16", order, len(name), np.uint16) for name, order in ORDERS.items()],
    ("mono8", (0, 0, 0), 1, np.uint8),
    ("mono16", (0, 0, 0), 1, np.uint16),
    *[(f"8UC{count}", order, count, np.uint8) for count, order in NAMELESS.items()],
    *[(f"16UC{count}", order, count, np.uint16) for count, order in NAMELESS.items()],
]


@pytest.mark.parametrize(("padding", "big_endian"), [(0, False), (7, False), (8, True), (5, True)])
@pytest.mark.parametrize(
    ("encoding", "order", "channels", "dtype"), PLAIN, ids=[case[0] for case in PLAIN]
)
def test_plain_encodings(converter, encoding, order, channels, dtype, padding, big_endian):
    pixels = noise(channels, dtype)
    expected = to_eight_bits(pixels)[:, :, order]
    rgb = converter.to_rgb(message(pixels, encoding, padding, big_endian))
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, expected)


TILES = {"rggb": ((0, 1), (1, 2)), "bggr": ((2, 1), (1, 0)), "gbrg": ((1, 2), (0, 1)),
         "grbg": ((1, 0), (2, 1))}  # fmt: skip


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("tile", TILES)
def test_bayer(converter, tile, bits, padding):
    rgb = scene()
    mosaic = np.empty((HEIGHT, WIDTH, 1), np.uint8 if bits == 8 else np.uint16)
    for y in range(2):
        for x in range(2):
            mosaic[y::2, x::2, 0] = rgb[y::2, x::2, TILES[tile][y][x]]
    if bits == 16:
        mosaic *= 257
    came = converter.to_rgb(message(mosaic, f"bayer_{tile}{bits}", padding))
    seam = slice(WIDTH // 2 - 2, WIDTH // 2 + 2)  # where neighbours of two colours mix
    np.testing.assert_array_equal(np.delete(came, seam, 1), np.delete(rgb, seam, 1))


def yuv(rgb: np.ndarray) -> np.ndarray:
    """Return uint8 [H, W, 3] of Y, U, V: BT.601, limited range."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64) / 255, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = (blue - luma) / 1.772, (red - luma) / 1.402
    return np.rint(np.stack([16 + 219 * luma, 128 + 224 * u, 128 + 224 * v], -1)).astype(np.uint8)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(
    ("encoding", "luma_at"), [("yuv422", 1), ("uyvy", 1), ("yuv422_yuy2", 0), ("yuyv", 0)]
)
def test_yuv422(converter, encoding, luma_at, padding):
    planes = yuv(scene())
    packed = np.empty((HEIGHT, WIDTH, 2), np.uint8)
    packed[:, :, luma_at] = planes[:, :, 0]
    packed[:, 0::2, 1 - luma_at] = planes[:, 0::2, 1]
    packed[:, 1::2, 1 - luma_at] = planes[:, 0::2, 2]
    came = converter.to_rgb(message(packed, encoding, padding))
    assert np.abs(came.astype(int) - scene()).max() <= 3


def halved(plane: np.ndarray) -> np.ndarray:
    """Return a plane of half the width and height; its 2x2 px blocks are of one value."""
    return plane[::2, ::2]


def padded(plane: np.ndarray, step: int) -> bytes:
    """Return the rows of [H, W] with rubbish up to the step."""
    return b"".join(row.tobytes() + b"\xa5" * (step - len(row)) for row in plane)


def in_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return [H, 2 W], the two by turns."""
    return np.stack([first, second], -1).reshape(first.shape[0], -1)


def planes(encoding: str, step: int, spare: int = 0) -> bytes:
    """Return the scene in an encoding with planes; spare rows follow the luma, half the chroma."""
    luma, u, v = np.moveaxis(yuv(scene()), -1, 0)
    data = padded(luma, step) + b"\xa5" * spare * step
    if encoding == "nv24":
        return data + padded(in_pairs(u, v), 2 * step)
    u, v = halved(u), halved(v)
    if encoding in ("nv12", "nv21"):
        pairs = in_pairs(u, v) if encoding == "nv12" else in_pairs(v, u)
        return data + padded(pairs, step) + b"\xa5" * (spare // 2 * step)
    first, second = (v, u) if encoding == "yv12" else (u, v)
    behind = b"\xa5" * (spare // 2 * (step // 2))
    return data + padded(first, step // 2) + behind + padded(second, step // 2) + behind


def planar_message(encoding: str, step: int, data: bytes) -> Image:
    return Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=step, data=data)


@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("encoding", PLANAR_ENCODINGS)
def test_planes(converter, encoding, padding):
    step = WIDTH + padding
    data = planes(encoding, step)
    for name in (encoding, encoding.upper()):
        for spare in (b"", b"\xa5" * 8 * step, b"\xa5" * 77):
            came = converter.to_rgb(planar_message(name, step, data + spare))
            assert np.abs(came.astype(int) - scene()).max() <= 4


@pytest.mark.parametrize("alignment", [32, 64])
@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("encoding", [each for each in PLANAR_ENCODINGS if each != "nv24"])
def test_planes_whose_rows_are_aligned(converter, encoding, padding, alignment):
    step, spare = WIDTH + padding, -HEIGHT % alignment
    aligned = planes(encoding, step, spare)
    behind = planes(encoding, step) + b"\xa5" * (step * spare * 3 // 2)
    assert len(aligned) == len(behind)
    for data in (aligned, behind):
        came = converter.to_rgb(planar_message(encoding, step, data))
        assert np.abs(came.astype(int) - scene()).max() <= 4


@pytest.mark.parametrize("encoding", PLANAR_ENCODINGS)
def test_planes_whose_step_is_missing_or_counts_the_chroma(converter, encoding):
    data = planes(encoding, WIDTH)
    for step in (0, len(data) // HEIGHT):
        came = converter.to_rgb(planar_message(encoding, step, data))
        assert np.abs(came.astype(int) - scene()).max() <= 4


@pytest.mark.parametrize("encoding", PLANAR_ENCODINGS)
def test_planes_that_do_not_fit_are_refused(converter, encoding):
    data = planes(encoding, WIDTH)
    with pytest.raises(ImageError, match=rf"expected {len(data)} bytes .*, got {len(data) - 1}"):
        converter.to_rgb(planar_message(encoding, WIDTH, data[:-1]))
    with pytest.raises(ImageError, match="got 9216"):
        converter.to_rgb(planar_message(encoding, WIDTH, bytes(9216)))
    with pytest.raises(ImageError, match="step of at least 24 bytes"):
        converter.to_rgb(planar_message(encoding, WIDTH - 1, data))
    with pytest.raises(ImageError, match="at least 1x1 px"):
        converter.to_rgb(Image(height=0, width=WIDTH, encoding=encoding, step=WIDTH))
    if encoding != "nv24":
        with pytest.raises(ImageError, match="even width and height"):
            converter.to_rgb(Image(height=5, width=6, encoding=encoding, step=6, data=bytes(45)))


def test_every_known_encoding_is_tested():
    bayers = {f"bayer_{tile}{bits}" for tile in TILES for bits in (8, 16)}
    yuvs = {"yuv422", "uyvy", "yuv422_yuy2", "yuyv"}
    assert set(LAYOUTS) == {case[0] for case in PLAIN} | bayers | yuvs


@pytest.mark.parametrize("encoding", ["RGB8", "Rgb8", " rgb8"])
def test_capitals_do_not_matter(converter, encoding):
    pixels = noise(3, np.uint8)
    np.testing.assert_array_equal(converter.to_rgb(message(pixels, encoding)), pixels)


def test_capitals_of_the_others_do_not_matter(converter):
    grey = noise(1, np.uint16)
    for encoding in ("MONO16", "16uc1"):
        np.testing.assert_array_equal(
            converter.to_rgb(message(grey, encoding)), converter.to_rgb(message(grey, "mono16"))
        )


@pytest.mark.parametrize(("encoding", "channels", "dtype"), [
    ("bgr8", 3, np.uint8), ("mono16", 1, np.uint16), ("yuyv", 2, np.uint8),
])  # fmt: skip
def test_a_step_that_is_missing_and_spare_bytes_are_taken(converter, encoding, channels, dtype):
    image = message(noise(channels, dtype), encoding)
    expected = converter.to_rgb(image).copy()
    data, step = bytes(image.data), image.step
    image.step = 0
    np.testing.assert_array_equal(converter.to_rgb(image), expected)
    image.step = step
    for spare in (1, 100, step, 8 * step):
        image.data = data + b"\xa5" * spare
        np.testing.assert_array_equal(converter.to_rgb(image), expected)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("big_endian", [False, True])
def test_fewer_bits_in_sixteen(converter, bits, big_endian):
    white = 2**bits - 1
    for encoding, channels, order in (("mono16", 1, (0, 0, 0)), ("bgr16", 3, (2, 1, 0))):
        pixels = noise(channels, np.uint16) % np.uint16(white + 1)
        came = converter.to_rgb(message(pixels, encoding, 4, big_endian), bit_depth=bits)
        assert np.abs(came - pixels[:, :, order] * (255 / white)).max() <= 0.5 + 1e-3
    grey = noise(1, np.uint8)
    came = converter.to_rgb(message(grey, "mono8"), bit_depth=bits)  # 8 bits are 8 bits
    np.testing.assert_array_equal(came[:, :, 0], grey[:, :, 0])


def test_a_bayer_pattern_of_ten_bits(converter):
    rgb = scene()
    mosaic = np.empty((HEIGHT, WIDTH, 1), np.uint16)
    for y in range(2):
        for x in range(2):
            channel = rgb[y::2, x::2, TILES["grbg"][y][x]]
            mosaic[y::2, x::2, 0] = np.rint(channel * (1023 / 255.0))
    came = converter.to_rgb(message(mosaic, "bayer_grbg16"), bit_depth=10)
    seam = slice(WIDTH // 2 - 2, WIDTH // 2 + 2)
    difference = np.delete(came, seam, 1).astype(int) - np.delete(rgb, seam, 1)
    assert np.abs(difference).max() <= 1


def broken(**changes: object) -> Image:
    image = message(noise(3, np.uint8), "rgb8")
    for field, value in changes.items():
        setattr(image, field, value)
    return image


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (broken(encoding="32FC1"), r"expected an image encoding among .*got '32FC1'"),
        (broken(encoding=""), "got ''"),
        (broken(height=0), "at least 1x1 px, got 24x0 rgb8"),
        (broken(step=WIDTH * 3 - 1), "step of at least 72 bytes for 24x16 rgb8, got 71"),
        (broken(data=b"\0" * 1151), "expected 1152 bytes .* got 1151"),
        (broken(data=b"\0" * 1152 * 6), "expected 1152 bytes .* got 6912"),
        (broken(step=0, data=b"\0" * 1153), "step of at least 72 bytes .*, got 0"),
        (broken(width=23, step=46, encoding="yuv422", data=b"\0" * 46 * HEIGHT), "even width"),
    ],
)
def test_a_broken_image_is_refused(converter, image, reason):
    with pytest.raises(ImageError, match=reason):
        converter.to_rgb(image)


def test_as_is_is_not_copied():
    image = message(noise(3, np.uint8), "rgb8")
    assert np.shares_memory(OwnConverter().to_rgb(image), np.asarray(image.data))


def test_the_ros_1_cv_bridge_is_refused(monkeypatch):
    monkeypatch.setattr(conversion.metadata, "version", lambda _: "1.13.0.post0")
    with pytest.raises(CvBridgeUnavailableError, match="the one of ROS 1"):
        import_ros_2_cv_bridge()
    assert choose_converter().converter.name == "own"
    assert "ROS 1" in choose_converter().why_not_cv_bridge


def test_a_cv_bridge_that_imports_but_cannot_convert_is_not_chosen(monkeypatch):
    """A ROS install may have a newer numpy than cv_bridge's C++ part was built for."""

    class Bridge:
        def imgmsg_to_cv2(self, *_: object) -> np.ndarray:
            raise ImportError("numpy.core.multiarray failed to import")

    module = SimpleNamespace(CvBridge=Bridge, CvBridgeError=TypeError)
    monkeypatch.setattr(conversion, "import_ros_2_cv_bridge", lambda: module)
    choice = choose_converter()
    assert choice.converter.name == "own"
    assert "numpy.core.multiarray failed to import" in choice.why_not_cv_bridge
