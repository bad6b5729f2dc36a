"""Videos of a replay: at the camera's pace, and such as browsers play."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from disk_limits import files_up_to

from sam3_ros.replay.report import video as video_module
from sam3_ros.replay.report.video import OverlayVideo, VideoError


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


@pytest.fixture(params=["PyAV", "OpenCV"])
def encoder(request, monkeypatch):
    """Either way to write a video: OpenCV's is that of a machine without PyAV."""
    if request.param == "OpenCV":
        monkeypatch.setitem(sys.modules, "av", None)
    return request.param


@pytest.mark.usefixtures("encoder")
def test_frames_come_back_in_order(tmp_path):
    video = OverlayVideo(tmp_path / "overlay", 10)
    for number, level in enumerate((40, 120, 200)):
        video.add(grey(level), number / 10)
    path = video.close()
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


@pytest.mark.usefixtures("encoder")
def test_a_folder_that_cannot_be_written_to_is_reported(tmp_path):
    with pytest.raises(VideoError, match="can be written to"):
        OverlayVideo(tmp_path / "absent" / "overlay", 10).add(grey(1), 0.0)


@pytest.mark.usefixtures("encoder")
@pytest.mark.parametrize("size", [0, 500, 5000])
def test_a_full_disk_is_reported_and_leaves_no_half_video(tmp_path, size):
    noise = np.random.default_rng(1).integers(0, 255, (96, 128, 3), np.uint8)
    video = OverlayVideo(tmp_path / "overlay", 10)
    with files_up_to(size), pytest.raises(VideoError, match=r"overlay\.(mp4|webm|avi)"):
        for number in range(30):
            video.add(np.roll(noise, 7 * number, 0), number / 10)
        video.close()
    video.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_is_not_finished_can_be_discarded(tmp_path):
    video = OverlayVideo(tmp_path / "overlay", 10)
    video.add(grey(40), 0.0)
    video.add(grey(50), 0.1)
    video.discard()
    assert list(tmp_path.iterdir()) == []


def test_overlays_of_two_sizes_are_refused(tmp_path):
    video = OverlayVideo(tmp_path / "overlay", 10)
    video.add(grey(1), 0.0)
    with pytest.raises(VideoError, match="one size"):
        video.add(grey(1, 50, 64), 0.1)


def written(folder: Path, height: int, width: int, rate: float = 15.0) -> Path:
    video = OverlayVideo(folder / "overlay", rate)
    for number in range(6):
        video.add(grey(40 * number, height, width), number / rate)
    path = video.close()
    assert video.remark == ""
    assert path is not None
    return path


@pytest.mark.parametrize(
    ("height", "width"), [(48, 64), (47, 64), (48, 63), (121, 161), (1, 1), (3, 200)]
)
def test_browsers_play_it_at_any_size(tmp_path, height, width):
    path = written(tmp_path, height, width)
    assert path.suffix == ".mp4"
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.height, stream.width) == (height + height % 2, width + width % 2)
        assert float(stream.average_rate) == pytest.approx(15)
        assert len(list(file.decode(video=0))) == 6
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "it plays only once it is loaded whole"


def test_colours_come_back(tmp_path):
    frame = grey(0)
    frame[:, :32], frame[:, 32:] = (30, 60, 200), (200, 120, 20)
    video = OverlayVideo(tmp_path / "overlay", 15)
    video.add(frame, 0.0)
    with av.open(str(video.close())) as file:
        (decoded,) = file.decode(video=0)
    back = decoded.to_ndarray(format="bgr24").astype(int)
    np.testing.assert_allclose(back[:, [10, 50]], frame[:, [10, 50]], atol=12)


def test_without_h264_it_is_vp9_in_webm(tmp_path, monkeypatch):
    monkeypatch.setattr(video_module, "_H264", ())
    path = written(tmp_path, 47, 64)
    assert path.suffix == ".webm"
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("vp9", "yuv420p")
        assert len(list(file.decode(video=0))) == 6


def test_without_pyav_what_is_written_instead_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    video = OverlayVideo(tmp_path / "overlay", 15)
    video.add(grey(40), 0.0)
    assert levels(video.close()) == pytest.approx([40], abs=6)
    assert "browsers do not play it" in video.remark
    assert "pip install av" in video.remark
