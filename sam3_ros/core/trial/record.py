"""Remembers which bundles ran to their end before, so that the first run is paid for once.

A record is a file of the user's cache folder, which nobody else may write. It is for one manifest
with its checksums, one choice of files, and one version of the engine.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from sam3_ros.core.backends.engine_cache import default_engine_folder
from sam3_ros.core.bounded_file import read_at_most
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.private_folder import is_private, make_private
from sam3_ros.core.whole_file import write_whole

_FOLDER = "tried"
_MOST_BYTES = 10_000
#: In place of the files that ran, for a bundle that a person vouches for.
TRUSTED = "trusted"

log = logging.getLogger(__name__)


def bundle_digest(bundle: Bundle) -> str:
    """Return a sum over all that a manifest says, and so over the bytes of all its files."""
    return hashlib.sha256(repr(bundle.manifest).encode("utf-8", "replace")).hexdigest()


class TrialRecord:
    """The record of one bundle and what of it ran."""

    def __init__(self, bundle: Bundle, what: str, engine: str) -> None:
        """what: the files that ran, or TRUSTED. engine: its version; none for TRUSTED."""
        self._key: Mapping[str, str] = {
            "bundle": bundle_digest(bundle),
            "name": bundle.manifest.name,
            "what": what,
            "engine": engine,
        }

    def exists(self) -> bool:
        """Return whether it was written before, and nobody else could have written it."""
        try:
            path = self._path()
            if not (is_private(path.parent) and is_private(path)):
                return False
            return bool(json.loads(read_at_most(path, _MOST_BYTES)) == dict(self._key))
        except (OSError, RuntimeError, ValueError):
            return False

    def write(self) -> Path:
        """Write it. Raises OSError or RuntimeError where there is no place for it."""
        path = self._path()
        make_private(path.parent)
        write_whole(path, json.dumps(dict(self._key), indent=1), private=True)
        return path

    def try_to_write(self) -> None:
        """Write it, or log that it cannot be kept."""
        try:
            self.write()
        except (OSError, RuntimeError) as error:
            log.warning("that it ran is not remembered (%s): it is tried at every start", error)

    def _path(self) -> Path:
        text = json.dumps(dict(self._key), sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()
        return default_engine_folder().with_name(_FOLDER) / f"{name[:32]}.json"
