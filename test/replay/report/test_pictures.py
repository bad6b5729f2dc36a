"""Videos at the camera's pace, albums and contact sheets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam3_ros.core.errors import ImageError
from sam3_ros.replay.report.pictures import (
    CAPTION_HEIGHT,
    MARGIN,
    SHEET_TILES,
    OverlayAlbum,
    OverlayVideo,
    Tile,
    VideoError,
    contact_sheet,
)
from sam3_ros.ros.images.messages import image_message


def grey(level: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def levels(path: Path) -> list[int]:
    """Return the mean grey of each frame of a video."""
    capture = cv2.VideoCapture(str(path))
    found = []
    while (read := capture.read())[0]:
        found.append(round(float(read[1].mean())))
    capture.release()
    return found


def test_frames_come_back_in_order(tmp_path):
    video = OverlayVideo(tmp_path / "overlay", 10)
    for number, level in enumerate((40, 120, 200)):
        video.add(grey(level), number / 10)
    path = video.close()
    assert path is not None
    assert path.suffix in (".mp4", ".avi")
    assert levels(path) == pytest.approx([40, 120, 200], abs=6)


def test_a_dropped_frame_shows_the_one_before(tmp_path):
    video = OverlayVideo(tmp_path / "overlay", 10)
    video.add(grey(40), 5.0)
    video.add(grey(200), 5.3)
    assert levels(video.close()) == pytest.approx([40, 40, 40, 200], abs=6)


def test_a_frame_that_comes_again_is_replaced_and_an_earlier_one_left_out(tmp_path):
    video = OverlayVideo(tmp_path / "overlay", 10)
    for level, at in ((40, 0.0), (120, 0.1), (160, 0.1), (80, 0.0), (200, 0.2)):
        video.add(grey(level), at)
    assert levels(video.close()) == pytest.approx([40, 160, 200], abs=6)


def test_a_long_pause_is_cut_short(tmp_path):
    video = OverlayVideo(tmp_path / "overlay", 10)
    video.add(grey(40), 0.0)
    video.add(grey(120), 1000.0)
    video.add(grey(200), 1000.1)
    seen = levels(video.close())
    assert len(seen) == 1 + 20 + 2
    assert seen[-2:] == pytest.approx([120, 200], abs=6)


def test_without_frames_there_is_no_file(tmp_path):
    assert OverlayVideo(tmp_path / "overlay", 10).close() is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_reported(tmp_path):
    with pytest.raises(VideoError, match="can be written to"):
        OverlayVideo(tmp_path / "absent" / "overlay", 10).add(grey(1), 0.0)


def test_overlays_of_two_sizes_are_refused(tmp_path):
    video = OverlayVideo(tmp_path / "overlay", 10)
    video.add(grey(1), 0.0)
    with pytest.raises(VideoError, match="one size"):
        video.add(grey(1, 50, 64), 0.1)


def test_an_album_leaves_a_video_and_a_sheet(tmp_path):
    asked = []
    folder = tmp_path / "new" / "folder"
    album = OverlayAlbum(folder, 2.0, 15, caption=lambda at: asked.append(at) or "red")
    for number in range(30):
        album.add(image_message(grey(100), "bgr8"), number / 15)
    video, sheet = album.close()
    assert sheet == folder / "contact_sheet.png"
    assert len(levels(video)) == 30
    assert cv2.imread(str(sheet)) is not None
    assert len(asked) == SHEET_TILES
    assert asked == sorted(asked)


def test_the_sheet_shows_a_picture_that_came_again_and_its_camera(tmp_path):
    album = OverlayAlbum(tmp_path, 1.0, 15, caption=str, camera="front")
    for level in (40, 200):
        album.add(image_message(grey(level), "bgr8"), 0.5)
    video, sheet = album.close()
    assert (video.stem, sheet.name) == ("overlay_front", "contact_sheet_front.png")
    pixels = cv2.imread(str(sheet))
    assert (pixels == 200).any()
    assert not (pixels == 40).all(axis=2).any()


def test_an_album_refuses_another_encoding(tmp_path):
    with pytest.raises(ValueError, match="bgr8"):
        OverlayAlbum(tmp_path, 1.0, 15, str).add(image_message(grey(1), "rgb8"), 0.0)


def plain(colour: tuple[int, int, int], height: int = 60, width: int = 80) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_tiles_are_in_reading_order_at_one_width():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    sheet = contact_sheet([Tile(plain(colour)) for colour in colours], columns=2, tile_width=40)
    step = 30 + CAPTION_HEIGHT + MARGIN
    assert sheet.shape == (2 * step + MARGIN, 2 * (40 + MARGIN) + MARGIN, 3)
    middles = [(20, 20), (20, 20 + 40 + MARGIN), (20 + step, 20)]
    assert [tuple(sheet[place]) for place in middles] == colours


def test_a_caption_is_written_below_its_picture():
    blank, written = (
        contact_sheet([Tile(plain((9, 9, 9)), caption)], tile_width=80) for caption in ("", "red")
    )
    changed = np.flatnonzero((blank != written).any(axis=(1, 2)))
    assert changed.size
    assert changed.min() >= MARGIN + 60


def test_fewer_tiles_than_columns_make_a_narrow_sheet():
    assert contact_sheet([Tile(plain((0, 0, 0)))], 5, 40).shape[1] == 40 + 2 * MARGIN


def test_pictures_of_several_shapes_share_a_sheet():
    sheet = contact_sheet([Tile(plain((1, 2, 3))), Tile(plain((1, 2, 3), 80, 40))], 2, 40)
    assert sheet.shape[0] == 80 + CAPTION_HEIGHT + 2 * MARGIN


@pytest.mark.parametrize(("tiles", "columns", "width"), [(0, 3, 40), (1, 0, 40), (1, 3, 0)])
def test_nothing_to_show_is_refused(tiles, columns, width):
    with pytest.raises(ValueError, match="1 or more"):
        contact_sheet([Tile(plain((0, 0, 0)))] * tiles, columns, width)


def test_a_grey_picture_is_refused():
    with pytest.raises(ImageError):
        contact_sheet([Tile(np.zeros((4, 4), np.uint8))])
