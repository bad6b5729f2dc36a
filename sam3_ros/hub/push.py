"""A bundle to the hub: the files that its manifest names, in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from sam3_ros.core.bundle.bundle import MANIFEST_NAME, Bundle
from sam3_ros.core.errors import HubError
from sam3_ros.hub.address import DEFAULT_REVISION, HubAddress
from sam3_ros.hub.bundle_texts import texts_among
from sam3_ros.hub.cached_file import Say
from sam3_ros.hub.client import api, is_logged_in
from sam3_ros.hub.failures import hub_failures


@dataclass(frozen=True)
class PushedBundle:
    """A bundle that was sent."""

    #: At its commit.
    address: HubAddress
    files: int
    bytes: int
    #: Files of the folder that are no part of the bundle; they were not sent.
    left: tuple[str, ...]


def push_bundle(
    bundle: Bundle, address: HubAddress, say: Say, public: bool = False
) -> PushedBundle:
    """Send a bundle; all of its files are there after one commit, or none is.

    bundle: opened, so that its files are what its manifest says. public: whether a repository that
    is made for it can be seen by all; one that is there stays as it is. Raises HubError.
    """
    if address.file:
        raise HubError(f"{address} names a file: a bundle is a repository, hf://ORG/REPO")
    if not is_logged_in():
        raise HubError("to push, log in with a token that may write: `hf auth login`, or HF_TOKEN")
    names = _names(bundle)
    size = sum((bundle.path / name).stat().st_size for name in names)
    say(f"sending {len(names)} files, {size / 1e6:.1f} MB, to {address}")
    say(f"their licence, by the manifest: {bundle.manifest.licence}")
    commit = _commit(bundle, names, address, public)
    return PushedBundle(address.at(commit), len(names), size, _left(bundle.path, names))


def _commit(bundle: Bundle, names: tuple[str, ...], address: HubAddress, public: bool) -> str:
    client = api()
    branch = None if address.revision == DEFAULT_REVISION else address.revision
    with hub_failures(address):
        try:
            client.create_repo(address.repository, private=not public, exist_ok=True)
            done = client.create_commit(
                address.repository,
                [CommitOperationAdd(name, str(bundle.path / name)) for name in names],
                commit_message=f"Bundle {bundle.manifest.name}",
                revision=branch,
            )
        except (ValueError, RuntimeError) as error:
            if isinstance(error, HfHubHTTPError):
                raise
            if isinstance(error.__cause__, HfHubHTTPError):  # of a thread that sent a file
                raise error.__cause__ from error
            raise HubError(f"{address} could not be sent: {error}") from error
    return str(done.oid)


def _names(bundle: Bundle) -> tuple[str, ...]:
    # A link may lead to a file of this machine that nobody is to have.
    there = (p.name for p in bundle.path.iterdir() if p.is_file() and not p.is_symlink())
    listed = (file.path for file in bundle.manifest.files)
    return tuple(dict.fromkeys((MANIFEST_NAME, *listed, *texts_among(there))))


def _left(folder: Path, sent: tuple[str, ...]) -> tuple[str, ...]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in files)
    return tuple(name for name in names if name not in sent)
