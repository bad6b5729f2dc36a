"""Keeps the engine that a backend builds of a stage, so that the next start need not build it.

An engine of another model file, library version, device, option or size is never used, nor is one
whose files changed since it was built: it is removed and built anew. Where the disk fails, sessions
are made without the cache.

An engine is code: who can write one runs code as the node's user. So a folder that another user can
write is refused (docs/security.md), and sessions are made without the cache there too. The sums
protect from damage alone: who can change an engine can change them.

Above 300 lines, so that what is written of an engine and what is believed of it are read together.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sam3_ros.core.backends.machine import engine_versions
from sam3_ros.core.backends.providers import PROVIDERS
from sam3_ros.core.backends.tf32 import is_tf32_forbidden
from sam3_ros.core.bundle.files import sha256_of
from sam3_ros.core.errors import BackendError
from sam3_ros.core.private_folder import (
    OpenToOthersError,
    is_private,
    make_private,
)
from sam3_ros.core.stages.session import (
    DeviceSession,
    EngineFolder,
    OpenSession,
    Session,
    SessionOptions,
)
from sam3_ros.core.stages.session_wrapper import WrappedOnDevice, WrappedSession
from sam3_ros.core.whole_file import write_whole

# An engine is about as large as its model; building it takes room too.
_ROOM_FACTOR, _ROOM_BYTES = 2, 16 * 2**20
_HEX = 12
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_KEY, _CONTENTS, _ENGINE = "key.json", "contents.json", "engine"

#: Everything that an engine depends on, as JSON can hold it.
Key = Mapping[str, Any]

log = logging.getLogger(__name__)


def default_engine_folder() -> Path:
    """Return sam3_ros/engines in the user's cache folder (XDG base directory specification).

    Raises RuntimeError for a user without a home.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    cache = given if given.is_absolute() else Path.home() / ".cache"
    return cache / "sam3_ros" / "engines"


def builds_engines(backend: str) -> bool:
    """Return whether a backend builds engines; False for one that is unknown."""
    return backend in PROVIDERS and PROVIDERS[backend].engines_for is not None


@dataclass(frozen=True)
class StageModel:
    """The model file of a stage."""

    path: Path
    #: The bundle's name.
    bundle: str
    stage: str
    precision: str
    #: Of the file and of its data files.
    sha256: tuple[str, ...]
    bytes: int
    #: Height and width of the network's input image, px.
    input_size: tuple[int, int]


class EngineCache:
    """Opens sessions of stages with engines that are kept on disk."""

    def __init__(self, folder: Path, open_session: OpenSession) -> None:
        """folder: created when the first engine is kept."""
        self._folder = folder
        self._open_session = open_session
        self._is_usable = True

    def open(self, model: StageModel, backend: str, options: SessionOptions) -> Session:
        """Open a session. Raises BackendError as open_session does, never because of the cache."""
        if self._is_usable and builds_engines(backend):
            try:
                return self._open_kept(model, backend, options)
            except OpenToOthersError as error:
                self._is_usable = False
                log.error(
                    "engines are neither read from %s nor kept there, but built anew: an engine is "
                    "code, and others could have put one there: %s",
                    self._folder,
                    error,
                )
            except OSError as error:
                self._is_usable = False
                log.warning(
                    "engines cannot be kept in %s (%s): they are built anew at every start; give "
                    "another folder, make room, or turn this off",
                    self._folder,
                    error,
                )
        return self._open_session(model.path, backend, options)

    def _open_kept(self, model: StageModel, backend: str, options: SessionOptions) -> Session:
        key = engine_key(model, backend, options)
        entry = EngineEntry(self._folder / _entry_name(model, backend, options))
        device = {name: key[name] for name in ("provider", "versions", "device")}
        engines = EngineFolder(
            entry.engine, _as_file_name(model.stage), self._folder / f"timings-{_mark(device)}"
        )
        with_engines = replace(options, engines=engines)
        with entry.locked():
            why_not = entry.why_not(key, PROVIDERS[backend].writes_when_freed)
            if not why_not:
                try:
                    return self._kept(model.path, backend, with_engines, entry)
                except BackendError as error:
                    why_not = f"it cannot be loaded: {error}"
            log.info("building the engine of stage %s; of an earlier one: %s", model.stage, why_not)
            self._require_room(model.bytes)
            if PROVIDERS[backend].keeps_timings:
                _make_anew_unless_private(engines.timings)
            try:
                entry.begin(key)
                return self._kept(model.path, backend, with_engines, entry)
            except OSError:
                with suppress(OSError):  # half an engine must not be what fills the disk
                    entry.remove()
                raise
            except BackendError as error:
                entry.remove()
                session = self._open_session(model.path, backend, options)
                log.warning("the engine of stage %s is not kept: %s", model.stage, error)
                return session

    def _kept(
        self, path: Path, backend: str, options: SessionOptions, entry: EngineEntry
    ) -> Session:
        session = self._open_session(path, backend, options)
        try:
            entry.seal()
        except OSError:
            session.close()
            raise
        return _sealing(session, entry)

    def _require_room(self, model_bytes: int) -> None:
        free = shutil.disk_usage(self._folder).free
        wanted = _ROOM_FACTOR * model_bytes + _ROOM_BYTES
        if free < wanted:
            raise OSError(f"{free / 1e6:.0f} MB are free, {wanted / 1e6:.0f} MB may be needed")


class _SealsWhenClosed(WrappedSession):
    """Keeps also what the backend built while the session ran, for sizes that came."""

    def __init__(self, real: Session, entry: EngineEntry) -> None:
        super().__init__(real)
        self._entry = entry
        self._is_closed = False

    def close(self) -> None:
        super().close()
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with self._entry.locked():
                self._entry.seal()
        except OSError as error:
            log.warning("what was built while it ran is not kept: %s", error)


class _DeviceSealsWhenClosed(_SealsWhenClosed, WrappedOnDevice):
    """The same for a DeviceSession."""


def _sealing(session: Session, entry: EngineEntry) -> Session:
    if isinstance(session, DeviceSession):
        return _DeviceSealsWhenClosed(session, entry)
    return _SealsWhenClosed(session, entry)


class EngineEntry:
    """One engine on disk: key.json, contents.json, and the backend's files in engine/.

    key.json is what the engine depends on. contents.json has the files' sizes and sums, and is
    written last: without it nothing in the folder is trusted. Every method raises OSError where
    the disk fails.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sealed: Mapping[str, Any] | None = None

    @property
    def engine(self) -> Path:
        """The folder that the backend writes and reads."""
        return self._folder / _ENGINE

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock within the block, after any other process that builds the same engine."""
        import fcntl  # not on Windows, where the rest of the core works

        make_private(self._folder.parent)
        path = self._folder.with_name(self._folder.name + ".lock")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE_FILE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def why_not(self, key: Key, may_have_grown: bool = False) -> str:
        """Say why it cannot be used for this key; empty if it can.

        may_have_grown: the backend may have written to it since it was sealed.
        """
        if not os.path.lexists(self._folder):
            return "there is none"
        if not all(map(is_private, (self._folder, self.engine, *self.engine.rglob("*")))):
            return "others could have written it"
        try:
            kept_key = json.loads((self._folder / _KEY).read_text(encoding="utf-8"))
            contents = json.loads((self._folder / _CONTENTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "it was not finished"
        if not isinstance(kept_key, dict):
            return "its key is damaged"
        if kept_key != key:
            changed = [name for name in key if kept_key.get(name) != key[name]]
            return f"it was built for another {', '.join(changed) or 'key'}"
        if not may_have_grown and self._contents() != contents:
            return "its files are damaged"
        self._sealed = self._marks()
        return ""

    def begin(self, key: Key) -> None:
        """Empty the folder, for an engine that is about to be built."""
        self.remove()
        self._sealed = None
        for folder in (self._folder, self.engine):
            folder.mkdir(_PRIVATE_FOLDER)
        write_whole(self._folder / _KEY, json.dumps(key, indent=1), private=True)

    def seal(self) -> None:
        """Record the files that are in it now as sound."""
        marks = self._marks()
        if marks != self._sealed:
            for path in self._files():  # the backend wrote them with a mode of its own
                path.chmod(_PRIVATE_FILE)
            write_whole(
                self._folder / _CONTENTS, json.dumps(self._contents(), indent=1), private=True
            )
            self._sealed = marks

    def remove(self) -> None:
        """Delete the folder."""
        _remove(self._folder)

    def _contents(self) -> dict[str, Any]:
        return {
            path.relative_to(self.engine).as_posix(): [path.stat().st_size, sha256_of(path)]
            for path in self._files()
        }

    def _marks(self) -> dict[str, Any]:
        """Return sizes and times, to notice a change for less than the sums cost."""
        return {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in self._files()}

    def _files(self) -> list[Path]:
        return sorted(path for path in self.engine.rglob("*") if path.is_file())


def _make_anew_unless_private(folder: Path) -> None:
    if os.path.lexists(folder) and not is_private(folder):
        _remove(folder)
    folder.mkdir(_PRIVATE_FOLDER, exist_ok=True)


def _remove(folder: Path) -> None:
    """Delete a folder, or the link or file that is in its place."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def engine_key(model: StageModel, backend: str, options: SessionOptions) -> Key:
    """Return everything that an engine depends on."""
    provider = PROVIDERS[backend]
    assert provider.engines_for is not None, "only for backends that build engines"
    asked = provider.request(replace(options, engines=None))
    return {
        "model": list(model.sha256),
        "precision": model.precision,
        "provider": provider.name,
        "versions": engine_versions(backend),
        "device": provider.engines_for(options.device_id),
        "options": [[name, dict(each)] for name, each in asked],
        # TensorRT chooses kernels in TF32 for an engine unless the environment forbids it.
        "tf32_forbidden": is_tf32_forbidden(),
        "input_size": list(model.input_size),
    }


def _entry_name(model: StageModel, backend: str, options: SessionOptions) -> str:
    where = _mark({"path": str(model.path), "device": options.device_id})
    name = f"{model.bundle}-{model.stage}-{model.precision}-{backend}"
    return f"{_as_file_name(name)}-{where}"


def _as_file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _mark(values: Key) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_HEX]
