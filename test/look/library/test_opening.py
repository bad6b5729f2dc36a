"""What is opened, and in which words what cannot be is refused."""

from __future__ import annotations

import subprocess
import sys

import bags
import pytest

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.precision.questions import TABLE
from sam3_ros.live import sources
from sam3_ros.look.library.opening import open_library

# In place of rclpy and of messages, which the library does without; and of what reads bags, which
# is missed for bags alone.
_WITHOUT_ROS = """
import queue, sys
ROS = ["rclpy", "sensor_msgs", "std_msgs", "geometry_msgs", "builtin_interfaces", "sam3_ros.msg"]
BAGS = ["rosbags", "mcap", "lz4", "zstandard"]
absent = [*ROS, *BAGS]
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(tuple(absent)):
            raise ModuleNotFoundError(f"{name} is not here")
sys.meta_path.insert(0, Absent())
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.look.library.opening import open_library
from sam3_ros.look.viewing import View
def fail():
    raise RuntimeError("no model")
def show(names):
    pictures = queue.Queue()
    viewing = open_library(fail, names)
    viewing.watch(View(viewing.cameras()[0].name), pictures.put)
    print(pictures.get(timeout=60).width)
    viewing.close()
show([sys.argv[1]])
try:
    show([])
except Sam3RosError as error:
    print("refused" if "pip install 'sam3_ros[look]'" in str(error) else error)
absent[:] = ROS
show([])
"""


def no_model():
    raise AssertionError("nothing is loaded for what cannot be opened")


@pytest.fixture
def odd_things(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "letter.txt").write_text("Dear reader")
    (tmp_path / "letter.jpg").write_text("Dear reader")
    (tmp_path / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom" + b"\1" * 500)
    (tmp_path / "nothing.mp4").touch()
    (tmp_path / "cut.mcap").write_bytes(b"\x89MCAP0\r\n" + b"\1" * 90)
    return tmp_path


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["absent.jpg"], "there is no such file"),
        (["empty"], "the folder holds nothing"),
        (["letter.jpg"], "no image that can be decoded"),
        (["half.png"], "no image that can be decoded"),
        (["letter.txt"], "letter.txt: it is no image, no bag, and no video"),
        (["film.mp4"], "cannot read .* as a video"),
        (["nothing.mp4"], "the file is empty"),
        (["cut.mcap"], "cut.mcap"),
        (["film.mp4", "nothing.mp4"], "one video or one bag at a time"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(odd_things, names, words):
    with pytest.raises(Sam3RosError, match=words) as refusal:
        open_library(no_model, [str(odd_things / name) for name in names])
    assert "\n" not in str(refusal.value)


def test_a_bag_without_pictures_is_refused_with_what_it_has(tmp_path):
    bag = tmp_path / "bag"
    with bags.Writer(bag, version=9) as writer:
        writer.add_connection("/odom", "nav_msgs/msg/Odometry", typestore=bags.STORE)
    with pytest.raises(Sam3RosError, match="expected a topic of images") as refusal:
        open_library(no_model, [str(bag)])
    assert "/odom" in str(refusal.value)


def test_a_camera_that_is_not_there_is_refused_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DEVICES", tmp_path)
    with pytest.raises(Sam3RosError, match=r"no camera .*video0.*sam3-ros look FILE plays a video"):
        open_library(no_model, camera="0")
    with pytest.raises(Sam3RosError, match="got the camera 0 and"):
        open_library(no_model, [str(TABLE)], camera="0")


def test_a_photo_is_known_by_its_first_bytes(tmp_path):
    nameless = tmp_path / "picture"
    nameless.write_bytes(TABLE.read_bytes())
    viewing = open_library(lambda: 1 / 0, [str(nameless)])
    assert [camera.title for camera in viewing.cameras()] == ["picture"]
    viewing.close()


def test_it_needs_neither_rclpy_nor_messages():
    command = [sys.executable, "-c", _WITHOUT_ROS, str(TABLE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["640", "refused", "640"]
