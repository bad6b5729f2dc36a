"""What files, folders and patterns mean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sam3_ros.label.chunk import SourceKind
from sam3_ros.label.inputs.being_written import OpenFiles
from sam3_ros.label.inputs.discovery import find_sources

BAG, VIDEO, PICTURES = SourceKind.BAG, SourceKind.VIDEO, SourceKind.PICTURES


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a/metadata.yaml", "a/a_0.mcap", "a/b.jpg"], [(BAG, "a")]),
        (["a/x_0.db3", "a/x_1.db3.zstd"], [(BAG, "a")]),
        (["a/x.mcap", "a/y.mcap"], [(BAG, "a/x.mcap"), (BAG, "a/y.mcap")]),
        (["a/b/c/film.MP4", "d.bag"], [(BAG, "d.bag"), (VIDEO, "a/b/c/film.MP4")]),
        (["a/1.jpg", "a/2.png", "a/notes.txt"], [(PICTURES, "a")]),
        (["a/.hidden/x.mcap", "a/x.mcap"], [(BAG, "a/x.mcap")]),
        (["out/.sam3-ros-label/x", "out/bags/x.mcap", "y.mcap"], [(BAG, "y.mcap")]),
    ],
)
def test_a_folder_is_searched_to_any_depth(tmp_path, files, expected):
    touch(tmp_path, *files)
    found = find_sources([str(tmp_path)])
    assert sorted((each.kind, each.name) for each in found.sources) == sorted(expected)
    assert not found.refused


def test_what_is_named_twice_is_found_once(tmp_path):
    touch(tmp_path, "a/x.mcap", "a/1.jpg", "a/2.jpg")
    names = [str(tmp_path / "a"), str(tmp_path / "a" / "*.mcap"), str(tmp_path / "a" / "1.jpg")]
    found = find_sources(names)
    assert [each.kind for each in found.sources] == [PICTURES, BAG]
    assert found.sources[0].pictures == ("1.jpg", "2.jpg")


def test_a_link_to_a_bag_and_a_file_of_it_are_the_same_bag(tmp_path):
    touch(tmp_path, "a/a_0.mcap", "a/a_1.mcap", "a/1.jpg", "b.mcap")
    (tmp_path / "link.mcap").symlink_to(tmp_path / "b.mcap")
    (tmp_path / "folder").symlink_to(tmp_path / "a")
    names = ["a/1.jpg", "a/a_0.mcap", "b.mcap", "link.mcap", "a", "folder"]
    found = find_sources([str(tmp_path / name) for name in names])
    assert [(each.kind, each.name) for each in found.sources] == [
        (PICTURES, "a"),
        (BAG, "b.mcap"),
        (BAG, "a"),
    ]


def test_a_name_has_nothing_that_a_file_name_must_not_have(tmp_path):
    touch(tmp_path, "a\nb\\c.mcap")
    assert find_sources([str(tmp_path)]).sources[0].name == "a_b_c.mcap"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "no such file"),
        ("*.mcap", "no file matches"),
        ("empty", "the folder holds nothing"),
    ],
)
def test_what_holds_nothing_is_refused(tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    found = find_sources([str(tmp_path / name)])
    assert not found.sources
    assert said in found.refused[0][1]


def test_a_file_that_another_process_writes_is_known(tmp_path):
    touch(tmp_path, "still", "recorded")
    files = [tmp_path / "still", tmp_path / "recorded"]
    program = "import sys; f = open(sys.argv[1], 'a'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(files[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as recorder:
        recorder.stdout.readline()
        assert OpenFiles().being_written(files) == {files[1]}
        recorder.stdin.close()
    assert OpenFiles().being_written(files) == set()
