from __future__ import annotations

import pytest
from disk_limits import files_up_to

from sam3_ros.core.whole_file import whole_file, write_whole


def test_a_file_is_written_in_place_of_what_is_there(tmp_path):
    file = tmp_path / "a.txt"
    write_whole(file, "é")
    write_whole(str(file), b"later")
    assert file.read_bytes() == b"later"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("before", [None, "before"])
def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path, before):
    file = tmp_path / "a.txt"
    if before is not None:
        file.write_text(before)
    with files_up_to(1000), pytest.raises(OSError, match=r"a\.txt") as failed:
        write_whole(file, "x" * 5000)
    assert failed.value.filename == str(file)
    assert [each.read_text() for each in tmp_path.iterdir()] == ([before] if before else [])


def test_what_raises_in_between_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a") as unfinished:
        unfinished.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_one_and_a_file_keeps_its_mode(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    write_whole(link, "after")
    assert link.is_symlink()
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("after", 0o640)


def test_what_is_no_file_is_written_to_directly():
    write_whole("/dev/null", "x")
    with pytest.raises(OSError, match="/dev/full"):
        write_whole("/dev/full", "x")


@pytest.mark.parametrize("suffix", ["", ".mp4"])
def test_the_file_on_the_way_lies_beside_it_and_has_the_suffix(tmp_path, suffix):
    with whole_file(tmp_path / "a.mp4", suffix) as unfinished:
        assert unfinished.parent == tmp_path
        assert unfinished.name.endswith(suffix)
        unfinished.touch()


def test_nobody_can_foresee_the_name_of_the_file_on_the_way(tmp_path):
    names = set()
    for _ in range(20):
        with whole_file(tmp_path / "a") as unfinished:
            assert unfinished.is_file() and not unfinished.is_symlink()  # it is made, not found
            names.add(unfinished.name)
    assert len(names) == 20
    assert all(len(name) > 20 for name in names)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        write_whole(tmp_path / "absent" / "a", "x")
