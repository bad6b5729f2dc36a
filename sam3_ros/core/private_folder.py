"""A folder for files that must come from nobody else, such as engines, which are code.

The rules are those of OpenSSH for its keys: no other user may own or write the folder or anything
above it, nor put a link into the way. Root is trusted, and so is a group that is the user's alone.
A folder above may be open to all if it is sticky, as /tmp is: there nobody can replace ours.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_ROOT = 0
_PRIVATE_FOLDER = 0o700
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class OpenToOthersError(OSError):
    """A folder in which another user could put or change files."""


def make_private(folder: Path) -> None:
    """Make a folder, with those above it that are missing, for this user alone.

    One that is there stays as it is. Raises OpenToOthersError if another user could write to it or
    replace it, OSError where the disk fails.
    """
    place = folder.absolute()
    for each in (*reversed(place.parents), place):
        if not os.path.lexists(each):
            each.mkdir(_PRIVATE_FOLDER, exist_ok=True)
        is_near = each in (place, place.parent)
        if each.is_symlink() and is_near:
            raise OpenToOthersError(
                f"{each} is a link to {each.readlink()}: give the real folder, or remove the link"
            )
        if each.is_symlink():
            _require_trusted(each)
            for real in (each.resolve(), *each.resolve().parents):
                _require_trusted(real, may_be_sticky=True)
        else:
            _require_trusted(each, may_be_sticky=each != place)


def is_private(path: Path) -> bool:
    """Return whether a file or folder is there, no link, and no other user owns or can write it."""
    try:
        _require_trusted(path)
    except OSError:
        return False
    return not path.is_symlink()


def _require_trusted(path: Path, may_be_sticky: bool = False) -> None:
    if not hasattr(os, "geteuid"):  # Windows has no such owners and modes
        return
    found = path.lstat()
    me = os.geteuid()
    if found.st_uid not in (_ROOT, me):
        raise OpenToOthersError(
            f"{path} belongs to user {_user(found.st_uid)}, and this is {_user(me)}: give a folder "
            f"of your own, or `chown -R` it once you know what is in it"
        )
    if stat.S_ISLNK(found.st_mode):  # whose mode says nothing
        return
    writers = found.st_mode & _OTHERS_WRITE
    if writers & stat.S_IWGRP and _is_group_of_one(found.st_gid, me):
        writers &= ~stat.S_IWGRP
    if writers and not (may_be_sticky and found.st_mode & stat.S_ISVTX):
        raise OpenToOthersError(
            f"{path} can be written by others (mode {stat.S_IMODE(found.st_mode):04o}): remove "
            f"what you did not put there, then `chmod go-w {path}`"
        )


def _is_group_of_one(group: int, me: int) -> bool:
    """Return whether a group is this user's private one, as Debian and Fedora give to each user."""
    import grp
    import pwd

    try:
        user, found = pwd.getpwuid(me), grp.getgrgid(group)
    except KeyError:
        return False
    is_named_so = user.pw_gid == group and found.gr_name == user.pw_name
    return me != _ROOT and is_named_so and {*found.gr_mem} <= {user.pw_name}


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
