"""A labelling: what is labelled, what is done again, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import bags
import cv2
import numpy as np
import odd_bags
import pytest
from labelling import LabelRun, outputs_of
from pycocotools.coco import COCO
from rosbags.rosbag2 import StoragePlugin

from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.label.chunk_file import read_chunk_file
from sam3_ros.label.inputs.selection import Selection
from sam3_ros.label.job import LabelPrompt
from sam3_ros.label.reading.opening import open_reader
from sam3_ros.label.run.identity import OtherRunError
from sam3_ros.label.run.run_folder import FolderInUseError, open_run_folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with bags, pictures and a video; read only."""
    root = tmp_path_factory.mktemp("archive")
    bags.write_bag(root / "two_cameras", 6, side=True)
    (root / "monday").mkdir()
    bags.write_bag(root / "monday" / "lite", 5, storage=StoragePlugin.SQLITE3, raw=True)
    whole = odd_bags.write_mcap(root / "cut.mcap", [odd_bags.jpeg_cdr(n) for n in range(6)])
    data = whole.read_bytes()
    whole.write_bytes(data[: data.index(b"\x02", len(data) // 2)])
    (root / "photos").mkdir()
    for number in range(3):
        cv2.imwrite(str(root / "photos" / f"{number}.png"), bags.frame(number)[0][..., ::-1])
    (root / "photos" / "broken.png").write_bytes(b"no picture")
    film = cv2.VideoWriter(
        str(root / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (bags.WIDTH, bags.HEIGHT)
    )
    for number in range(7):
        film.write(bags.frame(number)[0][..., ::-1].copy())
    film.release()
    return root


@pytest.fixture(scope="module")
def labelled(
    archive: Path, sam3_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> LabelRun:
    """Return a run that has labelled the archive; read only."""
    run = LabelRun(sam3_bundle_path, tmp_path_factory.mktemp("labelled") / "out")
    run(archive)
    return run


@pytest.fixture
def run(sam3_bundle_path: Path, tmp_path: Path) -> LabelRun:
    return LabelRun(sam3_bundle_path, tmp_path / "out")


def test_all_that_a_folder_holds_is_labelled(archive, labelled):
    report = labelled(archive)
    frames = {each.name: (each.frames, each.failed_frames) for each in report.sources}
    assert frames.pop("cut.mcap")[0] in range(1, 6)
    assert frames == {
        "two_cameras": (12, 0),
        "monday/lite": (5, 0),
        "photos": (4, 1),
        "film.avi": (7, 0),
    }
    by_name = {each.name: each for each in report.sources}
    assert "lacks its end" in by_name["cut.mcap"].remarks[0]
    assert "broken.png" in by_name["photos"].failures[0]
    assert not report.is_whole
    document = json.loads((labelled.out / "summary.json").read_text())
    assert document["frames"] == report.frames
    last = labelled.heard.progress[-1]
    assert (last.frames, last.sources, last.objects) == (report.frames, 5, report.objects)


def test_an_answer_is_the_segmenters(labelled, sam3_bundle_path):
    file = next(f for f in labelled.chunk_files if '"two_cameras"' in f.read_text())
    answer = read_chunk_file(file)
    with (
        Segmenter.load(sam3_bundle_path, threads=1) as segmenter,
        open_run_folder(labelled.out) as folder,
    ):
        plan = folder.kept_plan(file.parent.name)
        reader = open_reader(plan.source)
        reads = list(reader.frames(answer.topic, plan.chunks[answer.number].frames))
        reader.close()
        assert len(reads) == len(answer.frames) == 4
        for read, frame in zip(reads, answer.frames, strict=True):
            expected = segmenter.segment(read.rgb, "red", "blue")
            assert [each.prompt_id for each in frame.objects] == [s.prompt_id for s in expected]
            for got, segment in zip(frame.objects, expected, strict=True):
                mask = got.run_lengths(frame.size).mask()
                assert np.array_equal(mask, segment.mask)
                assert got.score == segment.score
            assert frame.objects[-1].label == "a blue thing"
            assert frame.stamp_ns == bags.stamp_ns(frame.index)
            assert frame.frame_id == bags.FRAME_ID


def test_the_second_time_nothing_is_done(archive, labelled):
    before = outputs_of(labelled.out)
    report = labelled(archive)
    assert labelled.given == []
    assert report.written == ()
    assert outputs_of(labelled.out) == before


def test_only_what_is_missing_or_damaged_is_done_again(archive, labelled, run):
    shutil.copytree(labelled.out, run.out)
    before = outputs_of(run.out)
    absent, cut, changed = run.chunk_files[:3]
    absent.unlink()
    cut.write_bytes(cut.read_bytes()[:-20])
    damage(changed)
    (run.out / "instances.json").unlink()
    run(archive)
    assert len(run.given) == 3
    assert outputs_of(run.out) == before


def damage(chunk: Path) -> None:
    data = bytearray(chunk.read_bytes())
    data[-10] ^= 1
    chunk.write_bytes(data)


def test_a_damaged_file_that_the_summary_alone_reads_is_made_anew(run, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    run(tmp_path / "broken.png")
    damage(run.chunk_files[0])
    assert run(tmp_path / "broken.png").sources[0].failures
    assert run.given == [(tmp_path.name, 0)]


def test_one_bag_of_labels_is_not_in_the_way_of_another(run, tmp_path):
    bag = bags.write_bag(tmp_path / "one" / "drive", 2)
    below = tmp_path / "two" / "drive" / "drive.mcap"
    below.parent.mkdir(parents=True)
    shutil.copy(next(bag.glob("*.mcap")), below)
    report = run(bag, tmp_path / "two", formats=("mcap",))
    assert len([name for name in report.written if name.endswith(".mcap")]) == 2


def test_what_cannot_be_written_is_named(run):
    with pytest.raises(OSError, match="elsewhere"), open_run_folder(run.out):
        raise OSError(28, "No space left on device", "elsewhere")


def test_a_source_that_changed_is_labelled_anew(run, tmp_path):
    bag = bags.write_bag(tmp_path / "bag", 3)
    run(bag)
    shutil.rmtree(bag)
    bags.write_bag(bag, 5)
    report = run(bag)
    assert run.given == [("bag", 0), ("bag", 1)]
    assert report.frames == 5


def test_sources_that_come_later_are_added(run, tmp_path):
    (tmp_path / "one").mkdir()
    one = bags.write_bag(tmp_path / "one" / "bag", 2)
    run(one)
    (tmp_path / "two").mkdir()
    other = bags.write_bag(tmp_path / "two" / "bag", 3)
    report = run(other)
    assert [name.partition("~")[0] for name, _ in run.given] == ["bag"]
    assert run.given[0][0] != "bag"  # the name is taken
    assert (report.frames, report.earlier) == (3, 1)
    assert len(COCO(str(run.out / "instances.json")).imgs) == 5


def test_what_a_source_that_is_not_named_lacks_is_told(run, tmp_path):
    one = bags.write_bag(tmp_path / "one", 2)
    other = bags.write_bag(tmp_path / "other", 2)
    run(one)
    damage(run.chunk_files[0])
    report = run(other)
    assert (report.frames, report.earlier) == (2, 1)
    assert len(COCO(str(run.out / "instances.json")).imgs) == 2
    (remark,) = report.remarks
    assert remark.startswith("one: 1 chunks of it are not labelled")
    assert run(one).remarks == []
    assert len(COCO(str(run.out / "instances.json")).imgs) == 4


def test_formats_can_be_added_without_labelling_again(run, tmp_path):
    bag = bags.write_bag(tmp_path / "bag", 2)
    assert run(bag).written == ("instances.json",)
    assert "instances.json" not in run(bag, formats=("coco", "parquet")).written
    assert run.given == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prompts": [LabelPrompt("red")]}, "prompts blue"),
        ({"prompts": [LabelPrompt("blue", score_threshold=0.4)]}, '"score_threshold": 0.4'),
        ({"selection": Selection(chunk_frames=4, every=2)}, "selection every: 1 there, 2 now"),
    ],
)
def test_another_identity_is_refused_with_what_differs(labelled, archive, changed, said):
    before = outputs_of(labelled.out)
    with pytest.raises(OtherRunError, match=said):
        labelled(archive, **changed)
    assert outputs_of(labelled.out) == before


def test_two_runs_do_not_share_a_folder(labelled, archive):
    with (
        open_run_folder(labelled.out),
        pytest.raises(FolderInUseError, match=r"another run labels into .* \(process \d+ on "),
    ):
        labelled(archive)


def test_a_folder_with_other_files_is_refused(run, archive):
    run.out.mkdir()
    (run.out / "precious.txt").write_text("mine")
    with pytest.raises(FolderInUseError, match="no labelling wrote them"):
        run(archive)
    assert [each.name for each in run.out.iterdir()] == ["precious.txt"]


def test_ids_of_tracks_go_on_over_the_cut_between_two_spans(run, tmp_path):
    bag = bags.write_bag(tmp_path / "bag", 7)
    prompts = [LabelPrompt("green"), LabelPrompt("red")]
    report = run(bag, selection=Selection(chunk_frames=3, track=True), prompts=prompts)
    assert len(run.given) == 3
    assert (report.frames, report.objects) == (7, 14)
    found = json.loads((run.out / "instances.json").read_text())["annotations"]
    ids = {(each["category_id"], each["track_id"]) for each in found}
    assert ids == {(1, 1), (2, 2)}
    assert len(found) == 14


def test_where_nothing_can_be_labelled_no_folder_is_left(run, tmp_path):
    (tmp_path / "none.mcap").write_bytes(b"no bag at all")
    report = run(tmp_path / "none.mcap", tmp_path / "absent")
    assert [Path(name).name for name, _ in report.set_aside] == ["absent", "none.mcap"]
    assert not report.sources
    assert not run.out.exists()
    run.out.mkdir()
    run(tmp_path / "none.mcap")
    assert list(run.out.iterdir()) == []  # it was there before
