"""What a folder of outputs overwrites, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.core.out_folder import LIST_NAME, OutFolder, OutputExistsError


def written(folder: Path, *names: str, force: bool = False) -> None:
    with OutFolder(folder, force=force) as out:
        for path in out.claim(*names):
            path.write_text("by us")


def test_what_was_written_may_be_written_again(tmp_path):
    folder = tmp_path / "new" / "out"
    written(folder, "a.png", "below/b.png", "line\nbreak.png")
    written(folder, "below/b.png", "a.png", "c.png")
    written(folder, "line\nbreak.png")
    assert {path.name for path in folder.iterdir()} >= {"a.png", "below", "c.png", LIST_NAME}


@pytest.mark.parametrize("kind", ["file", "folder", "link to nothing"])
def test_what_others_wrote_is_refused_and_nothing_changes(tmp_path, kind):
    theirs = tmp_path / "b.png"
    if kind == "file":
        theirs.write_text("theirs")
    elif kind == "folder":
        theirs.mkdir()
    else:
        theirs.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputExistsError, match=r"b\.png.*--force"):
        written(tmp_path, "a.png", "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]
    if kind == "file":
        written(tmp_path, "a.png", "b.png", force=True)
        assert theirs.read_text() == "by us"


def test_what_was_changed_since_is_not_ours_any_more(tmp_path):
    written(tmp_path, "labels.png", "other.png")
    (tmp_path / "labels.png").write_text("corrected by hand")
    with pytest.raises(OutputExistsError, match=r"has labels\.png, which"):
        written(tmp_path, "other.png", "labels.png")
    assert (tmp_path / "labels.png").read_text() == "corrected by hand"


def test_many_are_counted(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.png").touch()
    with pytest.raises(OutputExistsError, match=r"0\.png, 1\.png, 2\.png and 2 more"):
        written(tmp_path, *(f"{number}.png" for number in range(5)))


def test_a_run_that_broke_off_may_be_repeated(tmp_path):
    with pytest.raises(RuntimeError), OutFolder(tmp_path) as out:
        out.claim("video.mp4")[0].write_text("half")
        raise RuntimeError
    written(tmp_path, "video.mp4")
    killed = OutFolder(tmp_path)  # never left, as if killed
    killed.claim("video.mp4", "never_written.png")[0].write_text("hal")
    written(tmp_path, "video.mp4", "never_written.png")


def test_only_what_is_ours_is_removed(tmp_path):
    written(tmp_path, "worst_1.png", "worst_2.png", "overlay.mp4")
    (tmp_path / "worst_2.png").write_text("annotated")
    (tmp_path / "worst_3.png").write_text("theirs")
    OutFolder(tmp_path).remove_written("worst_*.png")
    assert {p.name for p in tmp_path.glob("*.*")} >= {"worst_2.png", "worst_3.png", "overlay.mp4"}
    assert not (tmp_path / "worst_1.png").exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_place_of_the_folder_is_told(tmp_path, place):
    (tmp_path / "file").write_text("theirs")
    with pytest.raises(OutputExistsError, match="expected a folder"):
        written(tmp_path / place, "a.png")


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"name": "a.png"}\n[]\nnoise', b""])
def test_a_list_that_is_damaged_makes_nothing_ours(tmp_path, content):
    (tmp_path / LIST_NAME).write_bytes(content)
    (tmp_path / "a.png").write_text("theirs")
    with pytest.raises(OutputExistsError):
        written(tmp_path, "a.png")


def test_by_force_only_what_is_written_becomes_ours(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("theirs")
    with OutFolder(tmp_path, force=True) as out:
        out.claim("a.png", "b.png")[0].write_text("ours")

    assert OutFolder(tmp_path).written() == {"a.png"}
    with pytest.raises(OutputExistsError, match=r"b\.png"):
        OutFolder(tmp_path).claim("a.png", "b.png")


def test_only_what_was_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "theirs.png").touch()
    with OutFolder(tmp_path) as out:
        for path in out.claim("a.png", "changed.png", "kept.png"):
            path.write_text("ours")
    (tmp_path / "changed.png").write_text("theirs")
    out.remove(["a.png", "changed.png", "theirs.png", "missing.png"])

    left = {path.name for path in tmp_path.glob("*.png")}
    assert left == {"changed.png", "kept.png", "theirs.png"}


def test_where_nothing_was_written_nothing_is_left(tmp_path: Path) -> None:
    with OutFolder(tmp_path) as out:
        out.claim("a.png")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_what_a_link_leads_to_is_never_written(tmp_path: Path, link: str) -> None:
    other, out = tmp_path / "photo.png", tmp_path / "out"
    other.write_text("photo")
    out.mkdir()
    getattr(out / "a.png", link)(other)
    with pytest.raises(OutputExistsError, match=r"a\.png"):
        OutFolder(out).claim("a.png")
    with OutFolder(out, force=True) as forced:
        (path,) = forced.claim("a.png")
        path.write_text("ours")
    assert other.read_text() == "photo"
    assert (out / "a.png").read_text() == "ours"
    with OutFolder(out) as again:
        again.claim("a.png")
