"""Engines that a backend builds of a stage are kept, so that the next start need not build them.

An engine of another model file, library version, device, option or size is never used, and neither
is one whose files changed since it was built: it is removed and built anew. Where the disk does not
take it, sessions are made without.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sam3_ros.core.backends.engine_entry import EngineEntry, Key
from sam3_ros.core.backends.machine import engine_versions
from sam3_ros.core.backends.providers import PROVIDERS
from sam3_ros.core.errors import BackendError
from sam3_ros.core.stages.session import (
    DeviceSession,
    EngineFolder,
    OpenSession,
    Session,
    SessionOptions,
)
from sam3_ros.core.stages.session_wrapper import WrappedOnDevice, WrappedSession

# An engine is about as large as its model; what is built on the way takes room too.
_ROOM_FACTOR, _ROOM_BYTES = 2, 16 * 2**20
_HEX = 12

log = logging.getLogger(__name__)


def default_engine_folder() -> Path:
    """sam3_ros/engines in the user's cache folder (XDG base directory specification).

    Raises RuntimeError for a user without a home.
    """
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    cache = told if told.is_absolute() else Path.home() / ".cache"
    return cache / "sam3_ros" / "engines"


def builds_engines(backend: str) -> bool:
    """Is there anything to keep? False for cpu and cuda, and for a backend that nobody knows."""
    return backend in PROVIDERS and PROVIDERS[backend].engines_for is not None


@dataclass(frozen=True)
class StageModel:
    """The model file of a stage. sha256: of it and of its data files. input_size: of images."""

    path: Path
    bundle: str
    stage: str
    precision: str
    sha256: tuple[str, ...]
    bytes: int
    input_size: tuple[int, int]


class EngineCache:
    """An open_session for stages, with a memory on disk."""

    def __init__(self, folder: Path, open_session: OpenSession) -> None:
        """folder: made when the first engine is kept."""
        self._folder = folder
        self._open_session = open_session
        self._is_of_use = True

    def open(self, model: StageModel, backend: str, options: SessionOptions) -> Session:
        """Raises BackendError as the open_session does; never for the sake of the cache."""
        if self._is_of_use and builds_engines(backend):
            try:
                return self._open_kept(model, backend, options)
            except OSError as error:
                self._is_of_use = False
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
            why_not = entry.why_not(key)
            if not why_not:
                try:
                    return self._kept(model.path, backend, with_engines, entry)
                except BackendError as error:
                    why_not = f"it cannot be loaded: {error}"
            log.info("building the engine of stage %s; of an earlier one: %s", model.stage, why_not)
            self._require_room(model.bytes)
            if PROVIDERS[backend].keeps_timings:
                engines.timings.mkdir(exist_ok=True)
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
        free, wanted = (
            shutil.disk_usage(self._folder).free,
            _ROOM_FACTOR * model_bytes + _ROOM_BYTES,
        )
        if free < wanted:
            raise OSError(f"{free / 1e6:.0f} MB are free, {wanted / 1e6:.0f} MB may be needed")


class _SealsWhenClosed(WrappedSession):
    """What its backend built while it ran, for sizes that came, is kept as well."""

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
    """The same for a session that leaves its outputs on a device."""


def _sealing(session: Session, entry: EngineEntry) -> Session:
    if isinstance(session, DeviceSession):
        return _DeviceSealsWhenClosed(session, entry)
    return _SealsWhenClosed(session, entry)


def engine_key(model: StageModel, backend: str, options: SessionOptions) -> Key:
    """Everything that an engine depends on, as JSON can hold it."""
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
