"""A file of the hub in the hub's own cache, where every program that uses the hub finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import hf_hub_download, try_to_load_from_cache

from sam3_ros import __version__
from sam3_ros.core.bundle.files import sha256_of
from sam3_ros.core.errors import HubError
from sam3_ros.hub.address import HubAddress
from sam3_ros.hub.client import blobs, cache
from sam3_ros.hub.download import Watch, download
from sam3_ros.hub.failures import UnreachableError, hub_failures
from sam3_ros.hub.remote_file import RemoteFile, look_up

Say = Callable[[str], None]
_PARTIAL = "{}.sam3-ros.incomplete"


@dataclass(frozen=True)
class CachedFile:
    """A file that is here."""

    #: In the cache, under the file's own name.
    path: Path
    #: At its commit.
    address: HubAddress
    #: In lower-case hex.
    sha256: str


def cached_file(address: HubAddress, say: Say, watch: Watch) -> CachedFile:
    """Return a file from the cache; what is not there yet is fetched and compared with its sum.

    say: takes lines on what is done. watch: takes the progress of the bytes. Without an answer of
    the hub, what the cache has of the revision is taken, and said. Raises HubError, and OSError
    where the cache cannot be written.
    """
    try:
        remote = look_up(address)
    except UnreachableError as error:
        path = _in_cache(address)
        if path is None:
            raise UnreachableError(f"{error}; the cache {cache()} does not have it") from error
        commit = _commit_of(path, address)
        say(f"{error}; taken from the cache, where {address.revision} was {commit}")
        return CachedFile(path, address.at(commit), sha256_of(path))
    path = _in_cache(remote.address)
    if path is not None and not remote.matches(path):
        say(f"{path} is damaged: it is fetched again")
        path.resolve().unlink()
        path = None
    if path is None:
        _fetch(remote, say, watch)
        path = _linked(address, remote)
    return CachedFile(path, remote.address, remote.sha256 or sha256_of(path))


def fetched_whole(remote: RemoteFile, partial: Path, say: Say, watch: Watch) -> None:
    """Fetch a file into `partial` and compare it with its sum; one that is wrong does not stay.

    What an earlier run left may be damaged, so then it is fetched once more from the beginning.
    Raises HubError, OSError, see download.
    """
    began_here = not partial.exists() or partial.stat().st_size == 0
    download(remote, partial, watch)
    if not remote.matches(partial) and not began_here:
        say(f"what was here of {remote.address.name} is damaged: it is fetched from the beginning")
        partial.unlink()
        download(remote, partial, watch)
    if not remote.matches(partial):
        partial.unlink()
        raise HubError(
            f"{remote.address} came damaged: its bytes have not the sum that the hub names "
            f"({remote.etag}); it was removed, run the command again"
        )


def _fetch(remote: RemoteFile, say: Say, watch: Watch) -> None:
    """Put the bytes of a file into the cache."""
    folder = blobs(remote.address)
    blob = folder / remote.etag
    if blob.is_file() and remote.matches(blob):  # of another commit
        return
    size = "" if remote.bytes is None else f" ({remote.bytes / 1e6:.1f} MB)"
    say(f"fetching {remote.address}{size}")
    partial = folder / _PARTIAL.format(remote.etag)
    fetched_whole(remote, partial, say, watch)
    if not remote.has_sum:
        say(f"not compared: the hub names no sum of {remote.address.name}")
    partial.replace(blob)


def _linked(address: HubAddress, remote: RemoteFile) -> Path:
    """Let the hub's client put a name to the bytes in its cache."""
    with hub_failures(address):
        path = hf_hub_download(
            address.repository,
            address.file,
            revision=address.revision,
            library_name="sam3_ros",
            library_version=__version__,
        )
    if _commit_of(Path(path), address) != remote.address.revision:
        raise HubError(f"{address} changed while it was fetched: run the command again")
    return Path(path)


def _in_cache(address: HubAddress) -> Path | None:
    found = try_to_load_from_cache(address.repository, address.file, revision=address.revision)
    return Path(found) if isinstance(found, str) else None


def _commit_of(path: Path, address: HubAddress) -> str:
    """Return the commit of a file in the cache: the folder in which the repository's files lie."""
    return path.parents[address.file.count("/")].name
