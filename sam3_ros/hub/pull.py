"""A bundle from the hub: fetched beside its place, checked as every bundle is, put there whole."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.bounded_file import decoded
from sam3_ros.core.bundle.bundle import MANIFEST_NAME, Bundle
from sam3_ros.core.bundle.files import sha256_of
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.bundle.manifest_yaml import parse_manifest
from sam3_ros.core.bundle.writer import require_free
from sam3_ros.core.checked_yaml import MAX_BYTES
from sam3_ros.core.errors import BundleError, ChecksumError, HubError
from sam3_ros.hub.address import HubAddress, is_plain_path
from sam3_ros.hub.bundle_texts import MOST_TEXT_BYTES, texts_among
from sam3_ros.hub.cached_file import Say, fetched_whole
from sam3_ros.hub.client import page
from sam3_ros.hub.download import Watch
from sam3_ros.hub.remote_file import RemoteFile, files_of

#: Files that a repository has for the hub's sake.
_OF_THE_HUB = (".gitattributes", ".gitignore")


@dataclass(frozen=True)
class PulledBundle:
    """A bundle that was fetched."""

    bundle: Bundle
    #: At its commit.
    address: HubAddress
    #: Files of the repository that are no part of the bundle; they were not fetched.
    left: tuple[str, ...]


def pull_bundle(
    address: HubAddress, target: Path, say: Say, watch: Watch, replace_existing: bool = False
) -> PulledBundle:
    """Fetch a bundle, check it whole, and put it at `target` in one step. Nothing of it is run.

    What came stays beside the target until all is there, so that the same call goes on from it; of
    a bundle that is refused nothing stays. Raises HubError (see hub_failures), BundleError for a
    target that is not free and for a bundle that is not sound, ChecksumError for a file that is not
    what its manifest says, OSError where the disk fails.
    """
    if address.file:
        raise HubError(f"{address} names a file: a bundle is a repository, hf://ORG/REPO")
    require_free(target, replace_existing)
    files = files_of(address)
    if MANIFEST_NAME not in files:
        raise HubError(f"{address} is no bundle: it has no {MANIFEST_NAME}; see {page(address)}")
    unfinished = _Unfinished(target)
    unfinished.prepare()
    pull = _Pull(address, files, unfinished, say, watch)
    with _refused_whole(address, unfinished):
        manifest = pull.manifest()
        pull.require_honest(manifest)
    pull.fetch(manifest)
    with _refused_whole(address, unfinished):
        bundle = _opened(unfinished.bundle)
    unfinished.put_in_place()
    at = files[MANIFEST_NAME].address.revision
    return PulledBundle(
        Bundle(target.resolve(), bundle.manifest), address.at(at), pull.left(manifest)
    )


class _Unfinished:
    """The hidden folder beside the target."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.folder = target.parent / f".{target.name}.pulling"
        self.bundle = self.folder / "bundle"
        self._before = self.folder / "before"

    def prepare(self) -> None:
        """Make it, or take what an earlier run left; put a replaced bundle back."""
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        found = self.folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise HubError(f"{self.folder} is not this user's folder: remove it")
        if self._before.exists() and not self._target.exists():
            self._before.rename(self._target)
        self.bundle.mkdir(exist_ok=True)

    def partial(self, file: RemoteFile) -> Path:
        """Return where the bytes of a file are collected."""
        return self.folder / "parts" / file.etag

    def put_in_place(self) -> None:
        """Move the bundle to its place; the one that is there goes, or comes back on an error."""
        try:
            if self._target.exists():
                self._target.rename(self._before)
            self.bundle.rename(self._target)
        except BaseException:
            if self._before.exists() and not self._target.exists():
                self._before.rename(self._target)
            raise
        self.remove()

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


class _Pull:
    def __init__(
        self,
        address: HubAddress,
        files: Mapping[str, RemoteFile],
        unfinished: _Unfinished,
        say: Say,
        watch: Watch,
    ) -> None:
        self._address, self._files, self._unfinished = address, files, unfinished
        self._say, self._watch = say, watch

    def manifest(self) -> Manifest:
        """Fetch and read the manifest; it is bounded before a byte of it is fetched."""
        remote = self._files[MANIFEST_NAME]
        if remote.bytes is None or remote.bytes > MAX_BYTES:
            raise BundleError(f"{MANIFEST_NAME} has {remote.bytes} bytes, {MAX_BYTES} at most")
        place = self._place(MANIFEST_NAME, remote)
        try:
            return parse_manifest(decoded(place.read_bytes()))
        except ValueError as error:
            raise BundleError(f"{MANIFEST_NAME}: {error}") from error

    def require_honest(self, manifest: Manifest) -> None:
        """Raise BundleError where the manifest and the repository's own list do not agree."""
        for file in manifest.files:
            if not is_plain_path(file.path) or file.path == MANIFEST_NAME:
                raise BundleError(f"{file.path!r} is no path of a file in a bundle")
            remote = self._files.get(file.path)
            if remote is None:
                raise BundleError(f"{file.path!r} is in the manifest and not in the repository")
            if remote.bytes != file.bytes or remote.sha256 not in (None, file.sha256):
                raise ChecksumError(
                    f"{file.path!r} has {remote.bytes} bytes and the sum {remote.etag}, the "
                    f"manifest says {file.bytes} and {file.sha256}: its maker must push it again"
                )

    def fetch(self, manifest: Manifest) -> None:
        """Fetch the files that are not here yet, and the texts beside them."""
        size = sum(file.bytes for file in manifest.files)
        self._say(f"fetching {self._address}: {len(manifest.files)} files, {size / 1e6:.1f} MB")
        self._require_room(manifest)
        for file in manifest.files:
            place = self._place(file.path, self._files[file.path])
            # A large file was compared with the hub's sum, which is the manifest's.
            is_small = self._files[file.path].sha256 is None
            if is_small and sha256_of(place) != file.sha256:
                self._unfinished.remove()
                raise ChecksumError(
                    f"{self._address}: {file.path!r} is not what the manifest says: its maker must "
                    f"push it again"
                )
        for name in self._texts():
            self._place(name, self._files[name])

    def left(self, manifest: Manifest) -> tuple[str, ...]:
        """Return the files that are no part of the bundle."""
        taken = {MANIFEST_NAME, *self._texts(), *(file.path for file in manifest.files)}
        return tuple(name for name in self._files if name not in (*taken, *_OF_THE_HUB))

    def _texts(self) -> tuple[str, ...]:
        sizes = {name: self._files[name].bytes for name in texts_among(self._files)}
        return tuple(name for name, size in sizes.items() if size and size <= MOST_TEXT_BYTES)

    def _place(self, name: str, remote: RemoteFile) -> Path:
        """Return where a file of the bundle lies; it is fetched unless an earlier run did it."""
        place = self._unfinished.bundle / name
        if place.is_file() and not place.is_symlink() and remote.matches(place):
            return place
        partial = self._unfinished.partial(remote)
        fetched_whole(remote, partial, self._say, self._watch)
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(place)
        return place

    def _require_room(self, manifest: Manifest) -> None:
        folder = self._unfinished.folder
        needed = sum(file.bytes for file in manifest.files) - _bytes_in(folder)
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise HubError(
                f"{self._address} needs {needed / 1e6:.1f} MB more, and {folder.parent} has "
                f"{free / 1e6:.1f} MB free: make room, or name another folder with --out"
            )


@contextmanager
def _refused_whole(address: HubAddress, unfinished: _Unfinished) -> Iterator[None]:
    """Name the bundle where it is refused in the block, and let nothing of it stay."""
    try:
        yield
    except BundleError as error:
        unfinished.remove()
        raise type(error)(f"{address}: {error}") from error


def _opened(folder: Path) -> Bundle:
    try:
        return Bundle.open(folder)
    except BundleError as error:
        # Without the folder's name in the message: nobody will find it.
        raise error.__cause__ if isinstance(error.__cause__, BundleError) else error from None


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
