"""Videos, bags and what plays them: at their pace, over and over, as long as somebody watches."""

from __future__ import annotations

import threading
import time

import bags
import cv2
import numpy as np
import pytest
from look_library import PATIENCE, LastingSegmenter, LookViewer, mark
from rosbags.rosbag2 import StoragePlugin
from scenes import colour_scene

from sam3_ros.core.precision.questions import TABLE
from sam3_ros.core.segmenter.masks import inmost_point
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.live.sources import SourceError
from sam3_ros.look.library import video_reel
from sam3_ros.look.library.bag_reel import BagReel, camera_titles
from sam3_ros.look.library.library_viewing import LibraryViewing
from sam3_ros.look.library.opening import open_library
from sam3_ros.look.library.reel_player import ReelPlayer
from sam3_ros.look.library.shots import Shot
from sam3_ros.look.library.video_reel import WebcamReel
from sam3_ros.look.viewing import Marks, View, ViewedCamera

RATE = 20.0


@pytest.fixture(scope="module")
def segmenter():
    return LastingSegmenter.load("tabletop", threads=1)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Return a video of the table: four pictures."""
    path = tmp_path_factory.mktemp("film") / "table.avi"
    picture = cv2.imread(str(TABLE))
    height, width = picture.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, (width, height))
    for _ in range(4):
        writer.write(picture)
    writer.release()
    return path


def test_a_video_loops_and_ends_what_is_followed(segmenter, film):
    viewing = open_library(lambda: segmenter, [str(film)], texts=["red cube"])
    try:
        with LookViewer(viewing) as viewer:
            picture = viewer.until(lambda each: bool(each.segments))
            stamps = {viewer.answered().stamp for _ in range(12)}
            assert 2 <= len(stamps) <= 4  # of every lap the same; a busy machine leaves some out
            segmenters = viewing._live.model.segmenter
            image = segmenters.encode_image(np.ascontiguousarray(cv2.imread(str(TABLE))[..., ::-1]))
            where = inmost_point(segmenters.ask(image, "red cube")[0].mask)
            verdict = mark(viewing, viewer.answered(), Marks(positive=(where,)))
            assert verdict.accepted, verdict.reason
            viewer.until(lambda _: "point" not in {p.id for p in viewing.prompts("")})
            told = [trouble.what for trouble in viewing.health("").troubles]
            assert any("'point'" in each and "began again" in each for each in told)
            assert picture.camera == ""
    finally:
        viewing.close()


def test_a_video_that_was_cut_is_shown_as_far_as_it_goes_and_told(segmenter, tmp_path):
    film = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"MJPG"), 100.0, (640, 480))
    for number in range(12):
        writer.write(np.random.default_rng(number).integers(0, 255, (480, 640, 3), np.uint8))
    writer.release()
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    viewing = open_library(lambda: segmenter, [str(film)])
    try:
        with LookViewer(viewing) as viewer:
            viewer.until(lambda _: bool(viewing.health("").troubles))
            (trouble,) = viewing.health("").troubles
            assert "it is damaged" in trouble.what
            assert not trouble.serious
            viewer.answered()
    finally:
        viewing.close()


class UnpluggedCamera:
    """A camera that gives some pictures and is unplugged then."""

    name = "/dev/video7"

    def __init__(self, count=2):
        self.count = count
        self.is_closed = False

    def read(self):
        if not self.count:
            raise SourceError("/dev/video7 gives no pictures: it was unplugged")
        self.count -= 1
        return SCENE

    def close(self):
        self.is_closed = True


def test_a_webcam_that_was_unplugged_is_opened_again(monkeypatch):
    opened = [UnpluggedCamera(), UnpluggedCamera()]
    waiting = iter(opened)
    monkeypatch.setattr(video_reel, "open_camera", lambda *_, **__: next(waiting))
    reel = WebcamReel("7")
    for camera in opened:
        with pytest.raises(SourceError, match="was unplugged"):
            for shot in reel.lap():
                assert shot.pixels().shape == SCENE.shape
        assert camera.is_closed
    assert [camera.title for camera in reel.cameras] == ["/dev/video7"]


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_bag_gives_the_pictures_of_its_cameras_in_every_lap(tmp_path, storage):
    bag = bags.write_bag(tmp_path / "bag", 4, raw=True, storage=storage)
    reel = BagReel(bag, ReadSettings())
    for _ in range(2):
        shots = [shot for shot in reel.lap() if shot.camera == reel.cameras[0].name]
        assert [shot.stamp_ns for shot in shots] == [bags.stamp_ns(n) for n in range(4)]
        assert shots[1].at > shots[0].at
        for number, shot in enumerate(shots):
            difference = shot.pixels().astype(int) - bags.frame(number)[0]
            assert np.abs(difference).mean() < 8  # JPEG
    reel.close()


def test_cameras_are_called_as_people_call_them():
    topics = ["/front/image_raw", "/side/image/compressed"]
    assert camera_titles(topics) == dict(zip(topics, ["front", "side"], strict=True))
    alike = ["/cam/image_raw", "/cam/image_raw/compressed"]
    assert camera_titles(alike) == dict(zip(alike, alike, strict=True))


class ScriptedReel:
    """Gives pictures without pixels, and fails where it is told to."""

    name = "script"
    cameras = (ViewedCamera("a", "a"), ViewedCamera("b", "b"))
    is_live = False
    pause = 0.01
    remarks = ()

    def __init__(self, count=4, period=0.01, failing_laps=0):
        self.count, self.period, self.failing_laps = count, period, failing_laps
        self.read = 0
        self.is_closed = False

    def lap(self):
        if self.failing_laps:
            self.failing_laps -= 1
            raise SourceError("the plug is out")
        for number in range(self.count):
            self.read += 1
            yield Shot("ab"[number % 2], number, number * self.period, lambda: SCENE)

    def close(self):
        self.is_closed = True


SCENE = colour_scene(8, 8, {})


class Played:
    """A reel that plays, and who watches it."""

    def __init__(self, reel):
        self.watched = frozenset()
        self.shots = []
        self.laps = threading.Event()
        self.player = ReelPlayer(reel, lambda: self.watched, self.shots.append, self.laps.set)

    def watch(self, *cameras):
        self.watched = frozenset(cameras)
        self.player.look_again()


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_reel_is_read_only_while_somebody_watches_and_only_for_them():
    reel = ScriptedReel()
    played = Played(reel)
    time.sleep(0.1)
    assert reel.read <= 1
    played.watch("a")
    wait_for(lambda: len(played.shots) > 6)  # several laps
    played.watch()
    time.sleep(0.05)
    count, read = len(played.shots), reel.read
    time.sleep(0.2)
    assert (len(played.shots), reel.read) == (count, read)
    assert {shot.camera for shot in played.shots} == {"a"}
    assert played.laps.is_set()
    played.player.close(PATIENCE)
    assert reel.is_closed


def test_a_reel_keeps_its_pace():
    played = Played(ScriptedReel(count=9, period=0.05))
    played.watch("a", "b")
    played.laps.wait(PATIENCE)
    played.player.close(PATIENCE)
    came = [shot.received for shot in played.shots[:9]]
    assert came[8] - came[0] >= 8 * 0.05 - 0.02


def test_a_reel_that_fails_is_told_and_tried_again(segmenter):
    reel = ScriptedReel(failing_laps=1)
    viewing = LibraryViewing(reel, lambda: segmenter)
    try:
        with LookViewer(viewing, View("a")) as viewer:
            wait_for(lambda: viewing.health("a").troubles)
            (trouble,) = viewing.health("a").troubles
            assert trouble.serious
            assert "the plug is out" in trouble.what
            viewer.until(lambda _: True)  # two seconds later
            assert viewing.health("a").troubles == ()
    finally:
        viewing.close()
    assert reel.is_closed


def test_pictures_that_cannot_be_decoded_are_counted_and_the_next_ones_shown(segmenter):
    class HalfDamaged(ScriptedReel):
        def lap(self):
            for shot in super().lap():
                broken = shot.stamp_ns == 0
                yield Shot(shot.camera, shot.stamp_ns, shot.at, fail if broken else shot.pixels)

    def fail():
        raise SourceError("half of it is missing")

    viewing = LibraryViewing(HalfDamaged(), lambda: segmenter)
    try:
        with LookViewer(viewing, View("a")) as viewer:
            viewer.until(lambda each: each.stamp.nanoseconds == 2)
            wait_for(lambda: "the picture could not be read" in dict(viewing.health("a").drops))
            assert "half of it is missing" in viewing.health("a").last_error
            viewer.answered()
    finally:
        viewing.close()
