"""Albums of a replay; test_video.py has the videos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sam3_ros.core.pictures.contact_sheet import CAPTION_HEIGHT, MARGIN
from sam3_ros.replay.report.pictures import OverlayAlbum, sheet_moments
from sam3_ros.ros.images.messages import image_message


def grey(level: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_an_album_leaves_a_video_and_a_sheet(tmp_path):
    folder = tmp_path / "new" / "folder"
    album = OverlayAlbum(folder, 2.0, 15, caption=lambda at: "red" if at < 1 else "blue")
    for number in range(30):
        album.add(image_message(grey(8 * number), "bgr8"), number / 15)
    video, sheet = album.close()
    assert sheet == folder / "contact_sheet.png"
    assert video.exists()
    assert album.remarks == ()
    pixels = cv2.imread(str(sheet))
    shown = [level for level in range(0, 240, 8) if (pixels == level).all(axis=2).sum() > 240 * 160]
    assert len(shown) == 6
    # Three of each half, in the middle of its thirds.
    assert shown == pytest.approx([24, 64, 96, 144, 184, 216], abs=16)


def test_a_sheet_has_a_picture_of_everything_that_was_asked():
    def asked(at: float) -> str:
        return "red" if at < 1 or 5 <= at < 9 else "blue" if at < 3 else "green" if at < 5 else "-"

    moments = sheet_moments(10.0, asked)
    assert len(moments) == 6
    assert moments == sorted(moments)
    assert {asked(at) for at in moments} == {"red", "blue", "green", "-"}
    assert all(5 <= at < 9 for at in moments if asked(at) == "red")


def test_of_more_than_six_texts_those_asked_longest_are_shown():
    moments = sheet_moments(10.0, lambda at: str(int(at) if at < 5 else int(2 * at)))
    assert [int(at) for at in moments[:5]] == [0, 1, 2, 3, 4]
    assert len(moments) == 6


def test_the_sheet_shows_a_picture_that_came_again_and_its_camera(tmp_path):
    album = OverlayAlbum(tmp_path, 1.0, 15, caption=str, camera="front")
    for level in (40, 200):
        album.add(image_message(grey(level), "bgr8"), 0.5)
    video, sheet = album.close()
    assert (video.stem, sheet.name) == ("overlay_front", "contact_sheet_front.png")
    pixels = cv2.imread(str(sheet))
    assert (pixels == 200).any()
    assert not (pixels[: -CAPTION_HEIGHT - MARGIN] == 40).all(axis=2).any()


def test_an_album_refuses_another_encoding(tmp_path):
    with pytest.raises(ValueError, match="bgr8"):
        OverlayAlbum(tmp_path, 1.0, 15, str).add(image_message(grey(1), "rgb8"), 0.0)
