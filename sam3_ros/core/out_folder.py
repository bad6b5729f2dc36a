"""A folder for outputs that overwrites only what an earlier run wrote there.

The hidden file .sam3-ros-written lists what was written: a line of JSON for each file,
{"name": "overlay.mp4", "sha256": "..."}; the sum is null while the file is being written. The last
line of a name counts. A file that is not listed, or whose bytes have changed since, is not ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.whole_file import named_errors, write_whole

LIST_NAME = ".sam3-ros-written"
_CHUNK = 1 << 20
_NAMES_TOLD = 3


class OutputExistsError(Sam3RosError):
    """A file that would be overwritten was not written by sam3-ros, or was changed since."""


class OutFolder:
    """The outputs of one run.

    with OutFolder(path) as out:
        (picture,) = out.claim("picture.png")   # the path to write to
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        """Write nothing yet. force: overwrite whatever is there."""
        self.path = path
        self._force = force
        self._claimed: dict[str, None] = {}
        #: The sums of somebody's files among them, before anything was written.
        self._others: dict[str, str | None] = {}

    def __enter__(self) -> OutFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """List what was written, also after an error: a part of a file is ours too."""
        if self._claimed:
            now = {name: _sha256(self.path / name) for name in self._claimed}
            sums = self._listed() | {name: self._ours(name, each) for name, each in now.items()}
            self._write_list({name: each for name, each in sums.items() if each})

    def _ours(self, name: str, sha256: str | None) -> str | None:
        """Return the sum; None for somebody's file that was claimed by force and not written."""
        return sha256 if self._others.get(name) != sha256 else None

    def claim(self, *names: str) -> tuple[Path, ...]:
        """Return the paths of these files, which the caller may now write; make their folders.

        Claim all that is known before the work begins, so that nothing is refused after it. A
        claimed file need not be written. Raises OutputExistsError, before anything is changed;
        OSError where the folder cannot be written.
        """
        listed = self._listed()
        new = [name for name in names if name not in self._claimed]
        others = [name for name in new if not self._is_free(name, listed)]
        if others and not self._force:
            raise OutputExistsError(_refusal(self.path, others))
        self._others |= {name: _sha256(self.path / name) for name in others}
        for folder in {(self.path / name).parent for name in new}:
            _make(folder)
        for name in new:
            _take_apart(self.path / name)
        self._claimed |= dict.fromkeys(new)
        if new:
            with named_errors(self.path / LIST_NAME), (self.path / LIST_NAME).open("a") as file:
                file.writelines(_line(name, None) for name in new)
        return tuple(self.path / name for name in names)

    def written(self) -> frozenset[str]:
        """Return the names of the files that earlier runs wrote and nobody changed since."""
        listed = self._listed()
        there = (name for name in listed if (self.path / name).exists())
        return frozenset(name for name in there if self._is_free(name, listed))

    def remove_written(self, pattern: str) -> None:
        """Delete the files of earlier runs whose names match a glob; others stay."""
        self.remove(name for name in self._listed() if (self.path / name).match(pattern))

    def remove(self, names: Iterable[str]) -> None:
        """Delete those of these files that earlier runs wrote; others stay."""
        listed = self._listed()
        for name in names:
            path = self.path / name
            if name in listed and path.is_file() and self._is_free(name, listed):
                path.unlink()

    def _is_free(self, name: str, listed: dict[str, str | None]) -> bool:
        """Return whether there is no such file, or one that an earlier run wrote."""
        path = self.path / name
        if not (path.exists() or path.is_symlink()):
            return True
        return name in listed and listed[name] in (None, _sha256(path))

    def _listed(self) -> dict[str, str | None]:
        try:
            lines = (self.path / LIST_NAME).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):  # absent, or not ours: then nothing is
            return {}
        return dict(entry for entry in map(_entry, lines) if entry is not None)

    def _write_list(self, sums: dict[str, str | None]) -> None:
        text = "".join(_line(name, each) for name, each in sums.items())
        if text:
            write_whole(self.path / LIST_NAME, text)
        else:
            (self.path / LIST_NAME).unlink(missing_ok=True)


def _line(name: str, sha256: str | None) -> str:
    return json.dumps({"name": name, "sha256": sha256}) + "\n"


def _entry(line: str) -> tuple[str, str | None] | None:
    """Return name and sum; None for a line that was cut, as where a disk was full."""
    try:
        entry = json.loads(line)
        return entry["name"], entry["sha256"]
    except (ValueError, KeyError, TypeError):
        return None


def _sha256(path: Path) -> str | None:
    """Return the sum of a file's bytes; None for what is no readable file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def _take_apart(path: Path) -> None:
    """Remove a name that shares its bytes with another file, which would be written too."""
    if path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1):
        path.unlink()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputExistsError(
            f"expected a folder for what is written, but {folder} is a file or lies below one: "
            "name another folder"
        ) from error
    except ValueError as error:  # a NUL in the name
        raise Sam3RosError(f"cannot make the folder {str(folder)!r}: {error}") from error


def _refusal(folder: Path, names: list[str]) -> str:
    told = ", ".join(names[:_NAMES_TOLD])
    more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    return (
        f"{folder} has {told}{more}, which sam3-ros did not write or somebody changed since; "
        "nothing is overwritten: name another folder, or add --force"
    )
