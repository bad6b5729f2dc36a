"""Golden frames in a folder: written as a whole, read back the same, damage reported."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from golden_scenes import BLUE, RED, answer, frame, golden

from sam3_ros.replay.golden.frames import INDEX_NAME, GoldenError, GoldenFrames, GoldenWriter


def test_frames_come_back_as_they_were(tmp_path):
    first, again = answer(RED, BLUE, camera="front", loop=1), answer(RED, camera="front", loop=1)
    kept = golden(tmp_path / "kept", first, again)
    assert [str(key) for key in sorted(kept.keys)] == [
        "1700000000.000000000 loop 2",
        "1700000000.000000000 loop 2 answer 2",
    ]
    back = kept.frame(min(kept.keys))
    np.testing.assert_array_equal(back.labels, first.labels)
    assert (back.frame_id, back.key.camera, back.key.loop) == ("camera_optical_frame", "front", 1)
    assert back.values == {"red": 1, "blue": 2}
    assert [(s.score, s.box) for s in back.segments] == [
        (0.9, (2.0, 2.0, 22.0, 22.0)),
        (0.9, (20.0, 20.0, 40.0, 40.0)),
    ]
    assert kept.prompt_ids == ("red", "blue")


def test_the_pictures_are_grey_pngs_of_eight_bits(tmp_path):
    golden(tmp_path, answer(RED))
    (path,) = tmp_path.glob("*.png")
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert (picture.dtype, picture.ndim) == (np.uint8, 2)
    assert path.stat().st_size < 300


def test_a_new_set_replaces_the_old_one_whole(tmp_path):
    folder = tmp_path / "kept"
    golden(folder, answer(RED), answer(RED, number=1))
    assert len(golden(folder, answer(BLUE)).keys) == 1
    assert len(list(folder.glob("*.png"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_is_not_finished_leaves_the_old_set(tmp_path):
    folder = tmp_path / "kept"
    golden(folder, answer(RED))
    with pytest.raises(KeyboardInterrupt), GoldenWriter(folder) as writer:
        writer.add(frame(BLUE))
        raise KeyboardInterrupt
    assert GoldenFrames(folder).prompt_ids == ("red",)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_of_something_else_is_not_written_over(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(GoldenError, match="name another"):
        GoldenWriter(tmp_path)


def test_an_index_of_another_program_is_not_written_over(tmp_path):
    (tmp_path / "golden.json").write_text('{"frames": []}')
    with pytest.raises(GoldenError, match="--force"):
        GoldenWriter(tmp_path)
    with GoldenWriter(tmp_path, force=True) as writer:
        writer.add(frame(RED))
        assert writer.finish().prompt_ids == ("red",)


@pytest.mark.parametrize("damage", [None, 40])
def test_what_others_put_beside_golden_frames_stays(tmp_path, damage):
    folder = tmp_path / "kept"
    golden(folder, answer(RED))
    (folder / "README").write_text("mine")
    (folder / "below").mkdir()
    (folder / "below" / "notes").touch()
    if damage:
        index = (folder / "golden.json").read_text()
        (folder / "golden.json").write_text(index[:damage])
    golden(folder, answer(BLUE))
    assert (folder / "README").read_text() == "mine"
    assert (folder / "below" / "notes").exists()
    assert GoldenFrames(folder).prompt_ids == ("blue",)


def test_one_frame_twice_and_none_at_all_are_refused(tmp_path):
    with GoldenWriter(tmp_path / "kept") as writer:
        with pytest.raises(GoldenError, match="nothing was answered"):
            writer.finish()
        writer.add(frame(RED))
        with pytest.raises(GoldenError, match="came twice"):
            writer.add(frame(BLUE))


def test_absent_golden_frames_say_how_to_write_them(tmp_path):
    with pytest.raises(GoldenError, match="--update"):
        GoldenFrames(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda index: index[:-5], "cannot read"),
        (lambda index: index.replace('"format": 1', '"format": 7'), "got 7"),
        (lambda index: index.replace('"score"', '"sure"'), "KeyError: 'score'"),
        (lambda index: index.replace("[2.0, 2.0,", "[2.0,"), "damaged"),
    ],
)
def test_a_damaged_index_is_reported(tmp_path, change, reason):
    golden(tmp_path, answer(RED))
    index = tmp_path / INDEX_NAME
    json.loads(index.read_text())
    index.write_text(change(index.read_text()))
    with pytest.raises(GoldenError, match=reason):
        GoldenFrames(tmp_path)


def test_a_picture_that_is_not_there_is_reported_at_once(tmp_path):
    golden(tmp_path, answer(RED), answer(RED, number=1))
    (_, last) = sorted(tmp_path.glob("*.png"))
    last.unlink()
    with pytest.raises(GoldenError, match=f"lacks 1 pictures of golden.json, first {last.name}"):
        GoldenFrames(tmp_path)


@pytest.mark.parametrize("content", [b"", cv2.imencode(".png", np.zeros((4, 4, 3)))[1].tobytes()])
def test_a_damaged_picture_is_reported_by_its_name(tmp_path, content):
    kept = golden(tmp_path, answer(RED))
    (path,) = tmp_path.glob("*.png")
    path.write_bytes(content)
    with pytest.raises(GoldenError, match=path.name):
        kept.frame(min(kept.keys))
