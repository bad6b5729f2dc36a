"""Pictures from videos, folders and cameras, and why there are none."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes import colour_scene

from sam3_ros.live import sources
from sam3_ros.live.sources import PicturePace, SourceError, open_camera, open_video

RED = (10, 10, 60, 60)
SCENE_RGB = colour_scene(96, 128, {"red": RED})
SCENE_BGR = np.ascontiguousarray(SCENE_RGB[:, :, ::-1])


def write_video(path: Path, codec: str, count: int = 4, rate: float = 12.5) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, (128, 96))
    for _ in range(count):
        writer.write(SCENE_BGR)
    writer.release()
    return path


def write_images(folder: Path, count: int = 3) -> Path:
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((8, 8, 3), 60 * number, np.uint8))
    return folder


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v"), ("a.webm", "VP80")],
)
def test_a_video_gives_its_pictures_and_its_rate_again_and_again(tmp_path, name, codec):
    source = open_video(write_video(tmp_path / name, codec))
    assert source.rate == pytest.approx(12.5, abs=0.1)
    for _ in range(2):
        pictures = []
        while (picture := source.read()) is not None:
            pictures.append(picture)
        assert len(pictures) == 4
        assert pictures[0].shape == (96, 128, 3)
        assert np.abs(pictures[0][30, 30].astype(int) - SCENE_BGR[30, 30]).max() < 40
        source.rewind()
    source.close()


def test_a_folder_gives_its_images_by_name(tmp_path):
    folder = write_images(tmp_path / "images")
    (folder / "notes.txt").write_text("no image")
    source = open_video(folder)
    greys = [int(source.read()[0, 0, 0]) for _ in range(3)]
    assert greys == [0, 60, 120]
    assert source.read() is None
    source.rewind()
    assert source.read() is not None


def test_the_colours_of_a_folder_are_in_opencvs_order(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), SCENE_BGR)
    assert np.array_equal(open_video(folder).read(), SCENE_BGR)


def _missing(folder: Path) -> Path:
    return folder / "missing.mp4"


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("this is no video " * 100)
    return folder / "text.mp4"


def _cut(folder: Path) -> Path:
    whole = write_video(folder / "whole.mp4", "mp4v").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    return folder / "cut.mp4"


def _no_images(folder: Path) -> Path:
    (folder / "images").mkdir()
    return folder / "images"


def _null(_: Path) -> Path:
    return Path("a\0b")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_missing, "No such file"),
        (_empty, "the file is empty"),
        (_text, "as a video"),
        (_cut, "as a video"),
        (_no_images, "no images"),
        (_null, "null"),
    ],
)
def test_what_is_no_video_is_refused_with_the_reason(tmp_path, make, words):
    with pytest.raises(SourceError, match=words):
        open_video(make(tmp_path))


def test_a_broken_image_of_a_folder_is_named(tmp_path):
    folder = write_images(tmp_path / "images", count=1)
    (folder / "1.jpg").write_bytes(b"no jpeg")
    source = open_video(folder)
    source.read()
    with pytest.raises(SourceError, match=r"1\.jpg"):
        source.read()


@pytest.fixture
def devices(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DEVICES", tmp_path)
    return tmp_path


@pytest.mark.parametrize("others", [[], ["video2"]])
def test_a_camera_that_is_missing_is_refused_with_those_that_are_there(devices, others):
    for name in others:
        (devices / name).touch()
    with pytest.raises(SourceError, match="there is no camera") as refusal:
        open_camera("0")
    assert (str(devices / "video2") in str(refusal.value)) == bool(others)


def test_a_camera_of_another_group_is_refused_with_the_remedy(devices, monkeypatch):
    (devices / "video0").touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SourceError, match="usermod -aG video"):
        open_camera("0")


def test_a_device_that_is_no_camera_is_refused(devices):
    (devices / "video0").touch()
    with pytest.raises(SourceError, match="cannot be opened as a camera"):
        open_camera(str(devices / "video0"))


@pytest.mark.parametrize(("open_source", "library"), [(open_camera, "v4l"), (open_video, "ffmpeg")])
def test_an_opencv_without_video_is_named(devices, monkeypatch, open_source, library):
    text = "  Video I/O:\n    FFMPEG:    NO\n    v4l/v4l2:    NO\n"
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: text)
    video = devices / "video0"
    video.write_bytes(b"x")
    with pytest.raises(SourceError, match=f"without {library}.*opencv-python-headless"):
        open_source("0" if open_source is open_camera else video)


def test_the_pace_is_that_of_a_schedule():
    pace = PicturePace(10.0, begin=100.0)
    assert pace.wait_before(0, 100.0) == 0.0
    assert pace.wait_before(3, 100.1) == pytest.approx(0.2)
    assert pace.wait_before(3, 200.0) == 0.0
    assert PicturePace(None, 0.0).wait_before(7, 0.0) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile 'a.avi'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.avi\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
    ids=["concat", "HLS", "SDP"],
)
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.sdp", "list.ffconcat"])
def test_a_playlist_is_not_followed(tmp_path, text, name):
    write_video(tmp_path / "a.avi", "MJPG")
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=r"cannot read .* as a video"):
        open_video(tmp_path / name)


def test_a_name_is_no_address_and_no_pattern(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "concat:a.avi", "MJPG")
    source = open_video(Path("concat:a.avi"))
    assert source.read() is not None
    source.close()
    cv2.imwrite("1.png", SCENE_BGR)
    Path("%d.png").write_bytes(Path("1.png").read_bytes())
    with pytest.raises(SourceError, match="cannot read"):
        open_video(Path("%d.png"))


def test_a_video_of_pictures_that_are_too_large_is_refused(tmp_path):
    video = write_video(tmp_path / "a.avi", "MJPG")
    with pytest.raises(SourceError, match=r"at most 0\.01 megapixels, got 128x96"):
        open_video(video, max_megapixels=0.01)
    data = video.read_bytes()
    at = data.index(b"\xff\xc0\0") + 5
    claims = data.replace(data[at : at + 4], (30000).to_bytes(2, "big") * 2)
    video.write_bytes(claims)  # its pictures, not its header
    with pytest.raises(SourceError, match="no picture of at most 50 megapixels"):
        open_video(video).read()
    with pytest.raises(SourceError, match=r"at most 1e-05 megapixels"):
        open_video(write_images(tmp_path / "images"), max_megapixels=0.00001).read()


def test_a_pipe_is_no_video_and_no_picture_of_a_folder(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(SourceError, match="expected a video file"):
        open_video(tmp_path / "x.png")
    with pytest.raises(SourceError, match="got the pipe"):
        open_video(tmp_path).read()
