"""One engine on disk, with what it depends on and what its files were when they were written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sam3_ros.core.bundle.files import sha256_of

_KEY, _CONTENTS, _ENGINE = "key.json", "contents.json", "engine"

Key = Mapping[str, Any]


class EngineEntry:
    """A folder: key.json, contents.json, and engine/ with the backend's files.

    contents.json is written last: without it nothing in the folder is trusted. Every method raises
    OSError where the disk does not let it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sealed: Mapping[str, Any] | None = None

    @property
    def engine(self) -> Path:
        """Where the backend writes and reads."""
        return self._folder / _ENGINE

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process that builds the same engine is waited for, and its engine then used."""
        import fcntl  # not on Windows, where the rest of the core works

        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with self._folder.with_name(self._folder.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def why_not(self, key: Key) -> str:
        """Why it cannot be used for this key; empty if it can."""
        if not self._folder.is_dir():
            return "there is none"
        try:
            kept_key = json.loads((self._folder / _KEY).read_text(encoding="utf-8"))
            contents = json.loads((self._folder / _CONTENTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "it was not finished"
        if kept_key != key:
            changed = [name for name in key if kept_key.get(name) != key[name]]
            return f"it was built for another {', '.join(changed) or 'key'}"
        if self._contents() != contents:
            return "its files are damaged"
        self._sealed = self._marks()
        return ""

    def begin(self, key: Key) -> None:
        """Empty it, for an engine that is to be built."""
        self.remove()
        self._sealed = None
        self.engine.mkdir(parents=True)
        (self._folder / _KEY).write_text(json.dumps(key, indent=1), encoding="utf-8")

    def seal(self) -> None:
        """What is in it now is to be trusted."""
        marks = self._marks()
        if marks != self._sealed:
            beside = self._folder / f"{_CONTENTS}.new"
            beside.write_text(json.dumps(self._contents(), indent=1), encoding="utf-8")
            beside.replace(self._folder / _CONTENTS)
            self._sealed = marks

    def remove(self) -> None:
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def _contents(self) -> dict[str, Any]:
        return {
            path.relative_to(self.engine).as_posix(): [path.stat().st_size, sha256_of(path)]
            for path in self._files()
        }

    def _marks(self) -> dict[str, Any]:
        """Whether anything changed in this process, for less than a sum over all."""
        return {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in self._files()}

    def _files(self) -> list[Path]:
        return sorted(path for path in self.engine.rglob("*") if path.is_file())
