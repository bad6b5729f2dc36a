"""A file as the hub describes it, before any of its bytes are fetched."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_url

from sam3_ros import __version__
from sam3_ros.core.bundle.files import CHUNK_BYTES, sha256_of
from sam3_ros.core.errors import HubError
from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.hub.address import HubAddress
from sam3_ros.hub.client import api
from sam3_ros.hub.failures import FileNotThereError, hub_failures, no_hub

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_BLOB = re.compile(r"[0-9a-f]{40}")
# It names a file of the cache.
_ETAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


@dataclass(frozen=True)
class RemoteFile:
    """One version of a file."""

    #: At its commit, whatever revision was asked for.
    address: HubAddress
    #: By which the hub tells versions apart: the sha256 of a large file, git's sum of a small one.
    etag: str
    #: None where the hub does not say.
    bytes: int | None

    @property
    def url(self) -> str:
        """Where its bytes are."""
        at = self.address
        return str(hf_hub_url(at.repository, at.file, revision=at.revision))

    @property
    def sha256(self) -> str | None:
        """The sum of its bytes, where the hub names it: of large files."""
        return self.etag if _SHA256.fullmatch(self.etag) else None

    @property
    def has_sum(self) -> bool:
        """Whether the bytes can be compared with what the hub says about them."""
        return bool(_SHA256.fullmatch(self.etag) or _GIT_BLOB.fullmatch(self.etag))

    def matches(self, path: Path) -> bool:
        """Return whether a file's bytes are those that the hub describes, as far as it does."""
        if self.bytes is not None and path.stat().st_size != self.bytes:
            return False
        if self.sha256 is not None:
            return sha256_of(path) == self.sha256
        if _GIT_BLOB.fullmatch(self.etag):
            return _git_sum(path) == self.etag
        return True


def look_up(address: HubAddress) -> RemoteFile:
    """Ask the hub about a file. Raises HubError, see hub_failures."""
    url = hf_hub_url(address.repository, address.file, revision=address.revision)
    try:
        with hub_failures(address):
            found = get_hf_file_metadata(url, library_name="sam3_ros", library_version=__version__)
    except FileNotThereError as error:
        raise FileNotThereError(f"{error}{_suggestion(address)}") from error
    if found.commit_hash is None or found.etag is None or not _ETAG.fullmatch(found.etag):
        raise HubError(no_hub())
    return RemoteFile(address.at(found.commit_hash), found.etag, found.size)


def files_of(address: HubAddress) -> dict[str, RemoteFile]:
    """Return all files of a repository's revision, by their names. Raises HubError."""
    try:
        with hub_failures(address):
            found = api().model_info(
                address.repository, revision=address.revision, files_metadata=True
            )
    except (ValueError, LookupError, TypeError) as error:  # a page for people, say
        raise HubError(no_hub()) from error
    if found.sha is None:
        raise HubError(no_hub())
    at = HubAddress(address.repository, revision=found.sha)
    files = {}
    for each in found.siblings or ():
        etag = each.lfs.sha256 if each.lfs is not None else each.blob_id
        if etag is not None and _ETAG.fullmatch(etag):
            files[each.rfilename] = RemoteFile(replace(at, file=each.rfilename), etag, each.size)
    return files


def _suggestion(address: HubAddress) -> str:
    try:
        return did_you_mean(address.file, files_of(address))
    except HubError:
        return ""


def _git_sum(path: Path) -> str:
    """Return git's sum of a file: SHA-1 of its length and its bytes."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
