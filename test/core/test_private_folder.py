"""Nobody else can write a private folder, nor put another in its place."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from sam3_ros.core.private_folder import (
    OpenToOthersError,
    is_private,
    make_private,
)
from sam3_ros.core.whole_file import write_whole

#: Some other user, who need not exist.
STRANGER = 54321
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder as a home is: others may read it."""
    folder = tmp_path / "home"
    folder.mkdir(0o755)
    return folder


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_is_made_is_for_this_user_alone(home: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_private(home / "cache" / "engines")
        write_whole(home / "cache" / "engines" / "key.json", "{}", private=True)
    finally:
        os.umask(before)
    assert mode(home / "cache") == mode(home / "cache" / "engines") == 0o700
    assert mode(home / "cache" / "engines" / "key.json") == 0o600
    assert [path.name for path in (home / "cache" / "engines").iterdir()] == ["key.json"]


def test_a_folder_that_others_may_read_stays_as_it_is(home: Path) -> None:
    (home / "engines").mkdir(0o755)
    make_private(home / "engines")
    assert mode(home / "engines") == 0o755


@pytest.mark.parametrize("which", ["cache/engines", "cache", "."])
@pytest.mark.parametrize("bits", [0o777, 0o775, 0o757, 0o702])
def test_a_folder_that_others_can_write_is_refused_with_what_to_do(
    home: Path, which: str, bits: int
) -> None:
    (home / "cache" / "engines").mkdir(parents=True)
    (home / which).chmod(bits)

    with pytest.raises(OpenToOthersError, match=f"can be written by others .mode 0{bits:o}.*chmod"):
        make_private(home / "cache" / "engines")
    assert mode(home / which) == bits


def test_a_sticky_folder_open_to_all_may_lie_above_but_not_be_it(home: Path) -> None:
    home.chmod(0o1777)
    make_private(home / "engines")
    with pytest.raises(OpenToOthersError, match="1777"):
        make_private(home)


@root_only
@pytest.mark.parametrize("which", ["cache/engines", "cache", "."])
def test_a_folder_of_another_user_is_refused(home: Path, which: str) -> None:
    (home / "cache" / "engines").mkdir(parents=True)
    os.chown(home / which, STRANGER, -1)
    with pytest.raises(OpenToOthersError, match=f"belongs to user {STRANGER}.*chown"):
        make_private(home / "cache" / "engines")


@pytest.mark.parametrize("which", ["cache/engines", "cache"])
def test_a_link_in_place_of_the_folder_is_refused(home: Path, which: str) -> None:
    elsewhere = home / "elsewhere"
    (elsewhere / "engines").mkdir(parents=True)
    (home / which).parent.mkdir(exist_ok=True)
    (home / which).symlink_to(elsewhere)
    with pytest.raises(OpenToOthersError, match=f"link to {elsewhere}: give the real folder"):
        make_private(home / "cache" / "engines")


def linked(home: Path) -> Path:
    """Return a folder to make, far below a link."""
    (home / "disk").mkdir()
    (home / "link").symlink_to(home / "disk")
    return home / "link" / "cache" / "engines"


def test_a_link_further_up_is_followed_where_all_on_its_way_is_trusted(home: Path) -> None:
    folder = linked(home)
    make_private(folder)
    assert folder.is_dir()
    (home / "disk").chmod(0o777)
    with pytest.raises(OpenToOthersError, match="disk can be written"):
        make_private(folder)


@root_only
def test_another_users_link_is_refused_wherever_it_is(home: Path) -> None:
    folder = linked(home)
    os.chown(home / "link", STRANGER, -1, follow_symlinks=False)
    with pytest.raises(OpenToOthersError, match=f"link belongs to user {STRANGER}"):
        make_private(folder)


@root_only
@pytest.mark.parametrize("group", ["of the user alone", "of others"])
def test_a_group_of_the_user_alone_may_write(
    home: Path, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = pwd.getpwnam("daemon")  # whose group has its name
    (home / "engines").mkdir()
    for each in (home, home / "engines"):
        os.chown(each, user.pw_uid, user.pw_gid if group == "of the user alone" else STRANGER)
        each.chmod(0o775)
    monkeypatch.setattr(os, "geteuid", lambda: user.pw_uid)

    if group == "of the user alone":
        make_private(home / "engines")
    else:
        with pytest.raises(OpenToOthersError, match="0775"):
            make_private(home / "engines")


def test_a_file_or_link_or_nothing_is_private_or_not(home: Path) -> None:
    file = home / "engine"
    assert not is_private(file)
    file.write_text("")
    file.chmod(0o644)
    assert is_private(file)
    file.chmod(0o646)
    assert not is_private(file)
    (home / "link").symlink_to(home)
    assert not is_private(home / "link")


def test_a_link_where_a_file_is_written_is_replaced_not_followed(home: Path) -> None:
    target = home / "of somebody"
    target.write_text("theirs")
    (home / "key.json.new").symlink_to(target)
    (home / "key.json").symlink_to(target)

    write_whole(home / "key.json", "ours", private=True)

    assert target.read_text() == "theirs"
    assert (home / "key.json").read_text() == "ours"
    assert not (home / "key.json").is_symlink()
