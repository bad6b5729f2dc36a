"""What is kept of the frames, and which of them a click means."""

from __future__ import annotations

import numpy as np
import pytest
from scenes import colour_scene
from sensor_msgs.msg import Image

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.ros.cameras import Cameras
from sam3_ros.ros.frames.kept_answers import KeptAnswers
from sam3_ros.ros.frames.memory import FrameMemory, MemoryLimits, SeenFrame
from sam3_ros.ros.frames.queue import FrameQueue
from sam3_ros.ros.frames.seen import FramesSeen
from sam3_ros.ros.frames.work import Frame
from sam3_ros.ros.prompts.active import ActivePrompts
from sam3_ros.ros.stamps import time_message

SECOND = 1_000_000_000
KILOBYTE = 1000


def frame(stamp: int, camera: str = "", frame_id: str = "", nbytes: int = KILOBYTE) -> Frame:
    image = Image(data=bytes(nbytes))
    image.header.stamp.sec, image.header.frame_id = stamp, frame_id
    return Frame(image, camera)


class Desk:
    """Frame memory and queue, filled by the test in the place of the inference thread."""

    def __init__(self, *cameras: str, frames: int = 3, nbytes: int = 10**9) -> None:
        self.limits = MemoryLimits(frames, nbytes)
        self.memory, self.queue = FrameMemory(lambda: self.limits), FrameQueue()
        self.sizes: dict[str, ImageSize] = {}
        names = Cameras.named(cameras)
        prompts = ActivePrompts(names.names)
        self.seen = FramesSeen(names, self.memory, self.queue, prompts, self.sizes)

    def see(self, stamp: int, camera: str = "", **more) -> bool:
        return self.memory.add(SeenFrame.of(frame(stamp, camera, **more)))

    def stamps(self, camera: str = "") -> list[int]:
        return [stamp // SECOND for stamp in self.memory.stamps(camera)]


def test_the_last_frames_of_each_camera_are_kept():
    desk = Desk("front", "left")
    for stamp in range(1, 6):
        desk.see(stamp, "front")
    desk.see(1, "left")
    assert desk.stamps("front") == [3, 4, 5]
    assert desk.stamps("left") == [1]
    assert desk.memory.size() == (4, 4 * KILOBYTE)


def test_all_frames_share_a_limit_of_bytes_but_the_newest_of_each_camera_stays():
    desk = Desk("front", "left", nbytes=3 * KILOBYTE)
    desk.see(1, "left")
    for stamp in range(1, 4):
        desk.see(stamp, "front")
    assert (desk.stamps("left"), desk.stamps("front")) == ([1], [2, 3])
    desk.see(4, "front", nbytes=5 * KILOBYTE)
    assert (desk.stamps("left"), desk.stamps("front")) == ([1], [4])
    assert desk.memory.size() == (2, 6 * KILOBYTE)


def test_lower_limits_apply_at_the_next_trim():
    desk = Desk()
    for stamp in range(1, 4):
        desk.see(stamp)
    desk.limits = MemoryLimits(1, 10**9)
    desk.memory.trim()
    assert desk.stamps() == [3]


def test_features_and_masks_count(sam3_bundle_path):
    desk = Desk()
    desk.see(1)
    seen = desk.memory.newest("")
    with Segmenter.load(sam3_bundle_path) as segmenter:
        seen.image_rgb = colour_scene(96, 128, {"red": (10, 10, 40, 40)})
        seen.message = None
        seen.embedding = segmenter.encode_image(seen.image_rgb)
        desk.memory.trim()
        lazy = desk.memory.size()[1]
        assert lazy >= 96 * 128 * 3 * (1 + 4)  # RGB as uint8, pixel values as float32
        found = tuple(segmenter.ask(seen.embedding, [ConceptPrompt("red")]))
        desk.memory.trim()
        encoded = desk.memory.size()[1]
        seen.answers = KeptAnswers({object(): found})
        desk.memory.trim()
        kept = desk.memory.size()[1] - encoded
        assert lazy < encoded
        assert 30 * 30 / 8 <= kept <= 96 * 128 / 8


def test_a_clock_that_jumps_back_empties_the_memory_of_its_camera():
    desk = Desk("front", "left")
    assert all(desk.see(stamp, camera) for stamp in (5, 5, 6) for camera in ("front", "left"))
    assert not desk.see(1, "front")
    assert (desk.stamps("front"), desk.stamps("left")) == ([1], [5, 5, 6])


@pytest.mark.parametrize(
    ("milliseconds", "went_on"),
    [
        ((5000, 5000, 4990), True),
        ((5000, 4000), True),
        ((5000, 3999), False),
        ((5000, 4500, 3999), False),  # behind the latest, not behind the last
        ((5000, 0, 5033), True),  # nobody set the stamp
    ],
)
def test_a_stamp_a_little_late_is_no_jump(milliseconds, went_on):
    desk = Desk()
    for stamp in milliseconds:
        image = Image(data=bytes(KILOBYTE))
        image.header.stamp = time_message(stamp * 10**6)
        last = desk.memory.add(SeenFrame.of(Frame(image)))
    assert last is went_on
    kept = milliseconds if went_on else milliseconds[-1:]
    assert desk.memory.stamps("") == [stamp * 10**6 for stamp in kept][-3:]
    assert desk.seen.locate("", kept[-1] * 10**6 or 0) == kept[-1] * 10**6


def test_of_equal_stamps_the_last_frame_is_meant():
    desk = Desk()
    desk.see(5, nbytes=1)
    desk.see(5, nbytes=2)
    found = desk.memory.find("", 5 * SECOND)
    assert found is not None and found.nbytes == 2


def test_without_a_stamp_the_newest_seen_is_meant_or_the_next():
    desk = Desk()
    assert desk.seen.locate("", 0) is None
    desk.queue.put(frame(7))
    assert desk.seen.locate("", 0) == 7 * SECOND
    desk.see(4)
    desk.see(5)
    assert desk.seen.locate("", 0) == 5 * SECOND


def test_a_frame_that_waits_or_is_in_work_counts_as_seen():
    desk = Desk()
    desk.queue.put(frame(1))
    desk.queue.take()
    desk.queue.put(frame(2))
    assert [desk.seen.locate("", stamp * SECOND) for stamp in (1, 2)] == [SECOND, 2 * SECOND]


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        (1, r"the image of 1.0+ s is too old, the oldest one kept is of 3.0+ s: leave the stamp 0"),
        (9, r"an image of 9.0+ s was never seen here; those kept are of 3.0+ s to 5.0+ s"),
    ],
)
def test_a_stamp_that_is_not_kept_is_refused(stamp, reason):
    desk = Desk()
    for each in range(1, 6):
        desk.see(each)
    with pytest.raises(PromptError, match=reason):
        desk.seen.locate("", stamp * SECOND)
    with pytest.raises(PromptError, match="no image was seen yet"):
        Desk().seen.locate("", SECOND)


def test_the_camera_of_a_click():
    desk = Desk("front", "left")
    for name, frame_id in (("front", "front_optical"), ("left", "left_optical")):
        desk.seen.note(name, frame_id)
        desk.see(1, name)
    desk.see(2, "left")
    assert desk.seen.camera_of("left", 0) == "left"
    assert desk.seen.camera_of("left_optical", SECOND) == "left"
    assert desk.seen.camera_of("map", 2 * SECOND) == "left"
    for frame_id, stamp in (("", 0), ("map", SECOND), ("map", 9 * SECOND)):
        with pytest.raises(PromptError, match="send it to a camera's own topic, such as ~/front/"):
            desk.seen.camera_of(frame_id, stamp)
    desk.seen.note("left", "front_optical")  # two that say the same tell nothing
    with pytest.raises(PromptError):
        desk.seen.camera_of("front_optical", SECOND)
    assert Desk().seen.camera_of("anything", 0) == ""


def test_the_size_of_the_last_image_and_of_one_before():
    desk = Desk()
    for stamp in (1, 2):
        desk.see(stamp)
    desk.memory.find("", SECOND).image_rgb = np.zeros((10, 20, 3), np.uint8)
    assert desk.seen.image_size("", SECOND) == ImageSize(10, 20)
    assert desk.seen.image_size("", 2 * SECOND) is None  # not decoded
    assert desk.seen.image_size("", 3 * SECOND) is None
    assert desk.seen.image_size("") is None
    desk.sizes[""] = ImageSize(96, 128)
    assert desk.seen.image_size("") == ImageSize(96, 128)
