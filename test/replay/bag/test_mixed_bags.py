"""Bags with more than a camera in them, and with stamps and names that are odd."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard
from bags import CAMERA_INFO, IMAGES, stamp_ns, write_bag
from odd_bags import Odd, jpeg_cdr, write_mcap, write_sqlite

from sam3_ros.replay.ask.plan import read_plan
from sam3_ros.replay.ask.settings import CameraSource, Player, ReplayError, ReplaySettings
from sam3_ros.replay.bag.bag import BagError, open_bag
from sam3_ros.replay.bag.image_times import read_image_times
from sam3_ros.replay.bag.own_outputs import left_out_outputs
from sam3_ros.replay.bag.recording import full_type_name
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.replay.bag.topic_names import is_topic_name, nearest_topic_name

FRAMES = 4
JPEGS = [jpeg_cdr(number) for number in range(FRAMES)]
IMAGE, STRING, SCORES = "sensor_msgs/msg/Image", "std_msgs/msg/String", "sam3_ros/msg/SegmentScores"


def stamps_and_remarks(path: Path) -> tuple[list[int], str]:
    with open_bag(path) as bag:
        stamps = read_image_times(bag, bag.image_topic().name).stamps_ns
        assert [read_header(m.cdr).stamp_ns for m in bag.messages([IMAGES])] == list(stamps)
        return list(stamps), "\n".join(map(str, bag.remarks))


@pytest.mark.parametrize("encoding", ["json", "protobuf", "ros1", "cbor", "flatbuffer", ""])
@pytest.mark.parametrize("profile", ["ros2", "", "ros1", "px4"])
def test_channels_of_another_form_are_left_out(tmp_path, encoding, profile):
    odd = Odd("/foo", "foxglove.CompressedImage", encoding, b"{}")
    file = write_mcap(tmp_path / "a.mcap", JPEGS, beside=[odd], profile=profile)
    stamps, told = stamps_and_remarks(file)
    assert len(stamps) == FRAMES
    assert "/foo (1 message): " in told
    assert "left out" in told


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("sensor_msgs/CompressedImage", "sensor_msgs/msg/CompressedImage"),
        ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CompressedImage"),
        ("sensor_msgs::msg::dds_::CompressedImage_", "sensor_msgs/msg/CompressedImage"),
        ("sensor_msgs::msg::CompressedImage", "sensor_msgs/msg/CompressedImage"),
        ("foxglove.CompressedImage", "foxglove.CompressedImage"),
    ],
)
def test_types_are_written_in_several_ways(tmp_path, written, full):
    assert full_type_name(written) == full
    with open_bag(write_mcap(tmp_path / "a.mcap", JPEGS, type_name=written)) as bag:
        assert bag.topics[IMAGES].type_name == full
        assert len(list(bag.messages([IMAGES]))) == FRAMES


@pytest.mark.parametrize(("encoding", "why"), [("ros1", "of ROS 1"), ("protobuf", "protobuf, not")])
def test_a_camera_of_another_form_is_an_error_that_says_so(tmp_path, encoding, why):
    file = write_mcap(tmp_path / "a.mcap", JPEGS, encoding=encoding)
    with open_bag(file) as bag, pytest.raises(BagError, match=f"found none.*{why}"):
        bag.image_topic()


def test_a_bag_without_images_says_what_it_has(tmp_path):
    file = write_mcap(tmp_path / "a.mcap", JPEGS, type_name="foxglove_msgs/msg/CompressedImage")
    reason = r"found none among /camera/image/compressed \(foxglove_msgs/msg/CompressedImage\)$"
    with open_bag(file) as bag, pytest.raises(BagError, match=reason):
        bag.image_topic()


def test_a_channel_without_a_type_is_left_out(tmp_path):
    file = write_mcap(tmp_path / "a.mcap", JPEGS, beside=[Odd("/foo", "")])
    assert "/foo (1 message): no type" in stamps_and_remarks(file)[1]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_compressed_messages_are_known_by_themselves(tmp_path, storage):
    compressed = [zstandard.ZstdCompressor().compress(cdr) for cdr in JPEGS]
    file = tmp_path / "bag"
    if storage == "mcap":
        write_mcap(file, compressed)
    else:
        write_sqlite(file, compressed)
    stamps, told = stamps_and_remarks(file)
    assert stamps == [stamp_ns(number) for number in range(FRAMES)]
    assert "its messages were compressed" in told
    with open_bag(file) as bag:
        assert [message.cdr for message in bag.messages()] == JPEGS


@pytest.mark.parametrize(
    "junk", [b"", b"\0\1", b"\x28\xb5\x2f\xfdjunk", b"not a message at all", b"\0\1\0\0\1\0\0"]
)
def test_messages_that_are_none_are_counted_and_hide_no_others(tmp_path, junk):
    stamps, told = stamps_and_remarks(write_mcap(tmp_path / "a", [*JPEGS[:2], junk, *JPEGS[3:]]))
    assert stamps == [stamp_ns(number) for number in (0, 1, 3)]
    assert f"{IMAGES} (1 message): " in told
    assert "left out" in told


def test_repeated_stamps_are_told_apart(tmp_path):
    cdrs = [jpeg_cdr(number, stamp_ns(number // 3)) for number in range(FRAMES)]
    first = stamp_ns(0)
    stamps, told = stamps_and_remarks(write_mcap(tmp_path / "a", cdrs))
    assert stamps == [first, first + 1, first + 2, stamp_ns(1)]
    assert f"{IMAGES} (2 messages): the stamp of an earlier image" in told


def test_images_without_a_stamp_get_the_time_of_recording(tmp_path):
    stamps, told = stamps_and_remarks(write_mcap(tmp_path / "a", [jpeg_cdr(0, 0)] * FRAMES))
    assert stamps == [stamp_ns(number) for number in range(FRAMES)]
    assert f"{IMAGES} (4 messages): no stamp (0)" in told


def test_labels_without_a_stamp_still_fit_their_images(tmp_path):
    folder = write_bag(tmp_path / "bag", frames=3, stamps=False)
    with open_bag(folder) as bag:
        (camera,) = read_plan(bag, ReplaySettings(folder)).cameras
    assert camera.truth is not None
    assert set(camera.truth.labels) == set(camera.times.stamps_ns)


def test_the_nodes_own_outputs_are_left_out(tmp_path):
    own = [
        Odd("/segmentation_node/mask", IMAGE),
        Odd("/segmentation_node/overlay/compressed", "sensor_msgs/msg/CompressedImage"),
        Odd("/segmentation_node/prompt/text"),
        Odd("/segmentation_node/front/scores", SCORES),
        Odd("/rosout", "rcl_interfaces/msg/Log"),
        Odd("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray"),
        Odd("/parameter_events", "rcl_interfaces/msg/ParameterEvent"),
    ]
    others = [Odd("/tf", "tf2_msgs/msg/TFMessage"), Odd("/segmentation_node_2/status")]
    file = write_mcap(tmp_path / "a", JPEGS, beside=[*own, *others])
    with open_bag(file) as bag:
        assert set(bag.topics) == {IMAGES, *(odd.topic for odd in others)}
        assert bag.image_topic().name == IMAGES
        told = [remark.part for remark in bag.remarks]
        assert told == sorted(odd.topic for odd in own)
        with pytest.raises(BagError, match=r"no images on /segmentation_node/mask.*of a segm"):
            bag.image_topic("/segmentation_node/mask")


@pytest.mark.parametrize(
    ("topics", "left"),
    [
        # Known by the package's own types.
        ({"/see/active_prompts": "sam3_ros/msg/ActivePrompts", "/see/debug": STRING}, "both"),
        ({"/a/see/prompt/status": "sam3_ros/msg/PromptStatus", "/a/see/left/mask": IMAGE}, "both"),
        # Known by what only a node has side by side.
        ({"/see/mask": IMAGE, "/see/prompt/point": "geometry_msgs/msg/PointStamped"}, "both"),
        ({"/see/mask": IMAGE, "/see/overlay": IMAGE}, "both"),
        ({"/see/left/mask": IMAGE, "/see/left/overlay/compressed": IMAGE}, "both"),
        # Somebody else's.
        ({"/lidar/mask": IMAGE, "/lidar/image": IMAGE}, "none"),
        ({"/depth/confidence": IMAGE, "/depth/image": IMAGE}, "none"),
        ({"/mask": IMAGE, "/overlay": IMAGE}, "none"),
    ],
)
def test_nodes_of_another_name_are_known_by_what_they_publish(topics, left):
    expected = set(topics) if left == "both" else set()
    assert set(left_out_outputs({**topics, IMAGES: IMAGE}, "/segmentation_node")) == expected


def test_beside_a_likely_node_a_camera_stays():
    topics = {"/cam/image": IMAGE, "/cam/mask": IMAGE, "/cam/overlay": IMAGE}
    assert set(left_out_outputs(topics, None)) == {"/cam/mask", "/cam/overlay"}


def test_an_image_topic_without_images_is_no_camera(tmp_path):
    file = tmp_path / "a.mcap"
    write_mcap(file, JPEGS)
    with open_bag(file) as bag:
        assert bag.camera_topics == [IMAGES]
    empty = write_mcap(tmp_path / "bag_0.mcap", [], topic="/other/image")
    write_mcap(tmp_path / "bag_1.mcap", JPEGS)
    with open_bag(empty.parent / "bag_0.mcap") as bag, pytest.raises(BagError, match="no message"):
        read_plan(bag, ReplaySettings(empty))
    file.unlink()
    with open_bag(tmp_path) as bag:
        assert set(bag.topics) == {IMAGES, "/other/image"}
        assert bag.image_topic().name == IMAGES


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("/camera/0/image", "/camera/_0/image"),
        ("/front-left/image/compressed", "/front_left/image/compressed"),
        ("/a//b", "/a/b"),
        ("/a/b/", "/a/b"),
        ("camera/image", "/camera/image"),
        ("/a b/c__d", "/a_b/c_d"),
        ("/камера/image", "/_/image"),
        ("~image", "/_image"),
        ("", "/topic"),
        ("/", "/topic"),
        ("/" + "a" * 300, "/" + "a" * 246),
        ("/2" + "a" * 300, "/_2" + "a" * 244),
    ],
)
def test_names_that_ros_2_does_not_take(name, nearest):
    assert not is_topic_name(name)
    assert nearest_topic_name(name) == nearest
    assert is_topic_name(nearest)


def test_a_new_name_is_nobody_elses():
    assert nearest_topic_name("/a-b/c", {"/a_b/c"}) == "/a_b_2/c"
    assert nearest_topic_name("/a-b", {"/a_b", "/a_b_2"}) == "/a_b_3"


def test_a_camera_is_renamed_and_others_are_left_out(tmp_path):
    name = "/camera/0/image/compressed"
    file = write_mcap(tmp_path / "a", JPEGS, topic=name, beside=[Odd("/gps/2/fix"), Odd("/ok")])
    with open_bag(file) as bag:
        (camera,) = read_plan(bag, ReplaySettings(file)).cameras
        assert camera.published_as == "/camera/_0/image/compressed"
        assert set(bag.topics) == {name, "/ok"}
        told = "\n".join(map(str, bag.remarks))
    assert "/gps/2/fix (1 message): a name that ROS 2 does not take: left out" in told
    assert f"{name}: a name that ROS 2 does not take: published as /camera/_0/image/c" in told
    with open_bag(file) as bag:
        source = CameraSource(publish_as="/mine/image/compressed")
        (camera,) = read_plan(bag, ReplaySettings(file, cameras=(source,))).cameras
    assert camera.published_as == "/mine/image/compressed"


@pytest.mark.parametrize(
    ("name", "published_as", "why"),
    [
        ("/cam/image_jpeg", "/cam/image_jpeg/compressed", "topics that end in /compressed"),
        ("/cam/0/image", "/cam/_0/image/compressed", "a name that ROS 2 does not take"),
        ("/compressed", "/topic/compressed", "topics that end in /compressed"),
        ("", "/topic/compressed", "a name that ROS 2 does not take"),
        (
            "/" + "a" * 300 + "/compressed",
            "/" + "a" * 235 + "/compressed",
            "a name that ROS 2 does not take",
        ),
    ],
)
def test_compressed_images_go_where_the_node_looks_for_them(tmp_path, name, published_as, why):
    file = write_mcap(tmp_path / "a", JPEGS, topic=name)
    with open_bag(file) as bag:
        (camera,) = read_plan(bag, ReplaySettings(file)).cameras
        told = "\n".join(map(str, bag.remarks))
    assert camera.published_as == published_as
    assert f"{why}: published as {published_as}" in told


def test_cameras_whose_names_become_the_same_are_told_apart(tmp_path):
    names = ["/a-b/image/compressed", "/a b/image/compressed", "/a_b/image/compressed"]
    for number, name in enumerate(names):
        write_mcap(tmp_path / f"bag_{number}.mcap", JPEGS, topic=name)
    sources = [CameraSource(f"camera{n}", name) for n, name in enumerate(names)]
    with open_bag(tmp_path) as bag:
        plan = read_plan(bag, ReplaySettings(tmp_path, cameras=tuple(sources)))
    published = [camera.published_as for camera in plan.cameras]
    assert len(set(published)) == len(names)
    assert published[2] == names[2]


@pytest.mark.parametrize("name", ["image", "/a/0/b", "/a-b", "/a/", ""])
def test_names_to_publish_on_are_checked(name):
    with pytest.raises(ReplayError, match="full name of a topic"):
        CameraSource(publish_as=name)


def bag_for_ros2(folder: Path, kind: str) -> Path:
    if kind == "sound":
        return write_mcap(folder / "a.mcap", JPEGS, beside=[Odd("/gps/2/fix")])
    if kind == "name":
        return write_mcap(folder / "a.mcap", JPEGS, topic="/front-left/image/compressed")
    if kind == "stamps":
        return write_mcap(folder / "a.mcap", [JPEGS[0]] * 2)
    if kind == "folder":
        return write_mcap(folder / "bag" / "a.mcap", JPEGS).parent
    file = write_mcap(folder / "a.mcap", JPEGS)
    file.write_bytes(file.read_bytes()[:-100])
    return file


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("sound", ""),
        ("name", "front-left/image/compressed: a name"),
        ("stamps", "the stamp of an earlier image"),
        ("folder", "no metadata.yaml"),
        ("cut", "lacks its end"),
    ],
)
def test_what_ros2_bag_play_cannot_play_is_refused(tmp_path, kind, reason):
    file = bag_for_ros2(tmp_path, kind)
    settings = ReplaySettings(file, player=Player.ROS2)
    with open_bag(file) as bag:
        if reason:
            with pytest.raises(ReplayError, match=f"cannot play.*{reason}.*Leave out --player"):
                read_plan(bag, settings)
        else:
            assert CAMERA_INFO not in read_plan(bag, settings).bag.topics
            assert "/gps/2/fix" not in bag.topics
