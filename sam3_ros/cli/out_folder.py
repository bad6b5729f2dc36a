"""What a command may overwrite: --force, the folder --out, and single files of a known form."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam3_ros.core.out_folder import OutFolder, OutputExistsError

#: The first key of a JSON document that a command writes to a file, by which it knows it again.
WRITTEN_BY = "written_by"
_MARK_IS_WITHIN = 4096

__all__ = ["WRITTEN_BY", "OutFolder", "add_force_option", "require_absent", "require_own"]


def add_force_option(parser: argparse.ArgumentParser) -> None:
    """Declare --force."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite files that sam3-ros did not write, or that were changed since",
    )


def require_own(file: Path | str | None, mark: str, *, force: bool) -> None:
    """Raise OutputExistsError for a file with other content than this command's.

    mark: text that is near the beginning of each file that the command writes. A file that does
    not exist, that is empty, or is no regular file (/dev/stdout) may be written; so may None and
    "-", which are no files.
    """
    if file is None or str(file) == "-" or force or not Path(file).is_file():
        return
    with Path(file).open("rb") as opened:
        begin = opened.read(_MARK_IS_WITHIN)
    if begin and mark.encode() not in begin:
        raise OutputExistsError(
            f"{file} exists and sam3-ros did not write it; it is not overwritten: name another "
            "file, or add --force"
        )


def require_absent(file: Path, *, force: bool | None) -> None:
    """Raise OutputExistsError for a file that exists; what is no regular file may be written.

    force: None for a command that never overwrites.
    """
    if not force and (file.is_file() or file.is_symlink()):
        advice = "" if force is None else ", or add --force"
        raise OutputExistsError(f"{file} exists; it is not overwritten: name another file{advice}")
