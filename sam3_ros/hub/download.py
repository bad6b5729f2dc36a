"""The bytes of a file, into a partial file that survives a cut connection, Ctrl-C and a reboot.

The hub's client begins anew in each process. Checkpoints have gigabytes, so here what came is kept.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session, hf_raise_for_status

from sam3_ros.core.errors import HubError
from sam3_ros.core.whole_file import named_errors
from sam3_ros.hub.client import HTTP_ERROR, request_headers
from sam3_ros.hub.failures import hub_failures
from sam3_ros.hub.remote_file import RemoteFile

#: Seconds before each further try, where the one before brought nothing.
WAITS = (1.0, 2.0, 4.0, 8.0, 8.0)
_PARTIAL_CONTENT = 206
_PASSING = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class DownloadProgress:
    """How far a file is."""

    name: str
    #: Bytes that are here, those of earlier runs among them.
    done: int
    #: None where the hub does not say.
    total: int | None
    #: Bytes that came in this run, and in how many seconds.
    fetched: int
    seconds: float


Watch = Callable[[DownloadProgress], None]


def download(remote: RemoteFile, partial: Path, watch: Watch) -> None:
    """Fetch what is not yet in `partial`, and try again while the connection brings something.

    The bytes are not compared with their sum. Raises HubError where the connection is lost for good
    (what came stays), where another process fetches the same, and where the disk has too little
    room; OSError where it cannot be written.
    """
    partial.parent.mkdir(parents=True, exist_ok=True)
    with named_errors(partial), partial.open("ab") as stream, hub_failures(remote.address):
        _lock(stream, remote)
        _Download(remote, stream, watch).run()


class _Download:
    def __init__(self, remote: RemoteFile, stream: BinaryIO, watch: Watch) -> None:
        self._remote, self._stream, self._watch = remote, stream, watch
        self._start, self._fetched = time.monotonic(), 0

    def run(self) -> None:
        self._require_room()
        vain = 0
        while not self._is_complete():
            before = self._fetched
            try:
                self._append()
            except HTTP_ERROR as error:
                if not _may_pass(error):
                    raise
                vain = 0 if self._fetched > before else vain + 1
                if vain > len(WAITS):
                    raise HubError(self._given_up(error)) from error
                time.sleep(WAITS[max(vain - 1, 0)])
            else:
                if self._remote.bytes is None:
                    return

    def _is_complete(self) -> bool:
        have, size = self._stream.tell(), self._remote.bytes
        if size is not None and have > size:  # of another file, or damaged
            self._empty()
        return have == size

    def _append(self) -> None:
        have = self._stream.tell()
        headers = {**request_headers(), "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream(
            "GET", self._remote.url, headers=headers, timeout=timeout, follow_redirects=True
        ) as response:
            hf_raise_for_status(response)
            if have and response.status_code != _PARTIAL_CONTENT:  # all of it comes again
                self._empty()
            for chunk in response.iter_bytes():  # as they come: a size would gather them first
                self._write(chunk)
        if self._remote.bytes is not None and self._stream.tell() < self._remote.bytes:
            raise HTTP_ERROR("the connection ended early")

    def _write(self, chunk: bytes) -> None:
        self._stream.write(chunk)
        self._stream.flush()
        self._fetched += len(chunk)
        done, size = self._stream.tell(), self._remote.bytes
        if size is not None and done > size:
            self._empty()
            raise HubError(f"{self._remote.address} has more bytes than the hub says ({size})")
        seconds = time.monotonic() - self._start
        name = self._remote.address.name
        self._watch(DownloadProgress(name, done, size, self._fetched, seconds))

    def _empty(self) -> None:
        self._stream.truncate(0)
        self._stream.seek(0)

    def _require_room(self) -> None:
        folder = Path(self._stream.name).parent
        needed = (self._remote.bytes or 0) - self._stream.tell()
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise HubError(
                f"{self._remote.address.name} needs {_megabytes(needed)}, and {folder} has "
                f"{_megabytes(free)} free: make room, or name another folder (the cache is in "
                f"HF_HOME)"
            )

    def _given_up(self, error: Exception) -> str:
        size = self._remote.bytes
        of = "" if size is None else f" of {_megabytes(size)}"
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        return (
            f"the connection to the hub was lost at {_megabytes(self._stream.tell())}{of} of "
            f"{self._remote.address} ({reason}): the same command goes on from there"
        )


def _may_pass(error: Exception) -> bool:
    """Return whether another try may succeed: a cut connection, a server that is busy."""
    return not isinstance(error, HfHubHTTPError) or error.response.status_code in _PASSING


def _lock(stream: BinaryIO, remote: RemoteFile) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise HubError(
            f"another process is fetching {remote.address}: wait until it has ended"
        ) from error
    stream.seek(0, 2)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
