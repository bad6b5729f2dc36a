"""Bags of labels, read back by rosbags, mcap, the node's own messages and its replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from bags import IMAGES, SIDE_IMAGES, write_bag
from label_results import BALL, CATEGORIES, CUBES, FAILED, HIDDEN, label_results, shapes
from mcap.reader import make_reader
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from rosbags.typesys import get_types_from_msg
from sam3_ros.msg import Segments, SegmentScore, SegmentScores
from sensor_msgs.msg import Image

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.label.chunk import SourceKind
from sam3_ros.label.outputs.bag import write_bags
from sam3_ros.label.outputs.label_messages import DEFINITIONS
from sam3_ros.label.outputs.label_topics import label_roots
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.ros.answers.segments import mask_of

MESSAGES = Path(__file__).parents[3] / "msg"
FRAMES = 6
ROOTS = {IMAGES: "/labels/camera", SIDE_IMAGES: "/labels/side"}


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bag") / "drive", FRAMES, side=True)


@pytest.fixture(scope="module", params=[False, True], ids=["untracked", "tracked"])
def labels(request, bag: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bool]:
    """Return the bag of labels, and whether objects are tracked."""
    folder = tmp_path_factory.mktemp("labels")
    chunk = FRAMES if request.param else 3
    results = label_results(
        folder / "work", {"monday/drive": bag}, FRAMES, tracked=request.param, chunk=chunk
    )
    written = write_bags(results, folder)
    assert written == tuple(
        folder / "bags/monday/drive" / name for name in ("drive.mcap", "metadata.yaml")
    )
    return written[0].parent, request.param


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_definitions_are_those_of_the_node(name):
    kind = f"sam3_ros/msg/{name}"
    assert get_types_from_msg(DEFINITIONS[name], kind) == get_types_from_msg(
        (MESSAGES / f"{name}.msg").read_text(), kind
    )


def test_each_image_has_its_labels_at_its_time_and_with_its_header(bag, labels):
    folder, _ = labels
    headers: dict[str, list[tuple]] = {}
    with AnyReader([bag, folder]) as reader:
        wanted = {*ROOTS, *(f"{r}/{o}" for r in ROOTS.values() for o in ("mask", "segments"))}
        wanted |= {f"{root}/scores" for root in ROOTS.values()}
        assert wanted <= {each.topic for each in reader.connections}
        for connection, time, raw in reader.messages():
            if connection.topic in wanted:
                header = reader.deserialize(raw, connection.msgtype).header
                stamp = header.stamp.sec, header.stamp.nanosec
                headers.setdefault(connection.topic, []).append((time, stamp, header.frame_id))
    for images, root in ROOTS.items():
        answered = [h for n, h in enumerate(headers[images]) if (images, n) != (IMAGES, FAILED)]
        for output in ("mask", "segments", "scores"):
            assert headers[f"{root}/{output}"] == answered


def test_the_node_itself_reads_the_messages(labels):
    folder, is_tracked = labels
    kinds = {"mask": Image, "segments": Segments, "scores": SegmentScores}
    got: dict[str, list] = {output: [] for output in kinds}
    with AnyReader([folder]) as reader:
        for connection, _, raw in reader.messages():
            root, _, output = connection.topic.rpartition("/")
            if root == ROOTS[IMAGES]:
                got[output].append(deserialize_message(bytes(raw), kinds[output]))
    numbers = [number for number in range(FRAMES) if number != FAILED]
    for place, number in enumerate(numbers):
        mask, segments, scores = (got[output][place] for output in ("mask", "segments", "scores"))
        assert [each.score for each in segments.segments] == scores.segments
        assert mask.encoding == "mono16"
        pixels = np.frombuffer(mask.data, np.uint16).reshape(mask.height, mask.width)
        hidden = {BALL} if is_tracked and number == HIDDEN else set()
        true = {each.number: each for each in shapes(number, IMAGES)}
        order = [1, 2, BALL, 4] if not hidden else [1, 2, 4, BALL]  # best first, unseen last
        for true_number, segment in zip(order, segments.segments, strict=True):
            shown = true[true_number].mask & (true_number not in hidden)
            np.testing.assert_array_equal(mask_of(segment, ImageSize(*shown.shape)), shown)
            np.testing.assert_array_equal(pixels == segment.score.id, shown)
            score = 0 if hidden and true_number == BALL else true[true_number].score
            assert segment.score.score == pytest.approx(score)
            assert segment.score.label_value == (2 if true_number == BALL else 1)
            if is_tracked:
                assert segment.score.id == segment.score.track_id == true_number
                assert segment.score.track_age == place
            else:
                assert segment.score.track_state == SegmentScore.NOT_TRACKED
    if is_tracked:
        ball = next(s for s in got["scores"][HIDDEN].segments if s.track_id == BALL)
        assert (ball.track_state, ball.frames_unseen) == (SegmentScore.OCCLUDED, 1)


def test_other_programs_can_open_it(labels):
    folder, _ = labels
    told = yaml.safe_load((folder / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert told["version"] == 8  # which Humble reads as well
    assert told["storage_identifier"] == "mcap"
    assert told["custom_data"]["sam3_ros.bundle"] == "shapes"
    with (folder / "drive.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary.statistics.message_count == told["message_count"] == 3 * (2 * FRAMES - 1)
        # Chunks are compressed, messages are not: Foxglove reads the former only.
        assert {each.compression for each in summary.chunk_indexes} == {"zstd"}
        assert sum(1 for _ in reader.iter_messages()) == told["message_count"]


def test_a_replay_takes_them_for_a_nodes_answers_and_plays_the_rest(labels):
    with open_bag(labels[0]) as replayed:
        assert not replayed.topics
        told = {str(remark).split()[0] for remark in replayed.remarks}
    assert told == {
        f"{root}/{o}" for root in ROOTS.values() for o in ("mask", "segments", "scores")
    }


def test_what_is_no_bag_gets_none_and_too_many_prompts_are_refused(bag, tmp_path):
    results = label_results(tmp_path / "work", {"drive": bag}, 1)
    labelled = results.sources[0]
    video = replace(labelled, source=replace(labelled.source, kind=SourceKind.VIDEO))
    assert write_bags(replace(results, sources=[video]), tmp_path) == ()
    many = tuple(replace(CATEGORIES[0], number=n, prompt_id=f"{CUBES}{n}") for n in range(1, 256))
    with pytest.raises(Sam3RosError, match="at most 254 prompts, got 255: leave mcap out"):
        write_bags(replace(results, categories=many), tmp_path)


@pytest.mark.parametrize(
    ("topics", "roots"),
    [
        (["/camera/image/compressed"], ["/labels/camera"]),
        (["/front/left/image_raw", "/image"], ["/labels/front/left", "/labels/image"]),
        (["/cam/color/image_rect/compressed"], ["/labels/cam"]),
        (
            ["/cam/image_raw", "/cam/image_rect"],
            ["/labels/cam/image_raw", "/labels/cam/image_rect"],
        ),
        (["/", "/image", "image//"], [f"/labels/image{end}" for end in ("", "_2", "_3")]),
    ],
)
def test_a_camera_is_named_by_its_topic(topics, roots):
    assert list(label_roots(topics).values()) == roots
