"""A checkpoint from the hub: a file, or an index with all files that it lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.bounded_file import read_at_most
from sam3_ros.core.errors import HubError
from sam3_ros.hub.address import HubAddress, is_plain_path
from sam3_ros.hub.cached_file import CachedFile, Say, cached_file
from sam3_ros.hub.client import page
from sam3_ros.hub.download import Watch
from sam3_ros.hub.failures import UnreachableError
from sam3_ros.hub.remote_file import files_of

#: Keys in a manifest's `source`: where the file came from, and the files of an index with their
#: sha256.
CHECKPOINT_ADDRESS = "checkpoint_address"
CHECKPOINT_SHARDS = "checkpoint_shards_sha256"
INDEX = ".index.json"
_WEIGHTS = (".pt", ".pth", ".safetensors", ".bin", INDEX)
_MOST_INDEX_BYTES = 32_000_000
_MOST_SHARDS = 100
_MOST_NAMED = 12
#: What a model of transformers says of itself beside its tensors, which an export compares.
_CONFIGURATION, _MOST_CONFIGURATION_BYTES = "config.json", 1_000_000
_WITHOUT_CONFIGURATION = (".pt", ".pth")


@dataclass(frozen=True)
class HubCheckpoint:
    """A checkpoint that was fetched."""

    #: The file that was named, in the cache.
    file: CachedFile
    #: Those that it lists, where it is an index; they lie beside it.
    shards: tuple[CachedFile, ...] = ()

    @property
    def source(self) -> Mapping[str, str]:
        """What the manifest of a bundle made of it says beside the file's name and sum."""
        found = {CHECKPOINT_ADDRESS: str(self.file.address)}
        if self.shards:
            sums = (f"{each.path.name} {each.sha256}" for each in self.shards)
            found[CHECKPOINT_SHARDS] = "; ".join(sums)
        return found


def hub_checkpoint(address: HubAddress, say: Say, watch: Watch) -> HubCheckpoint:
    """Fetch a checkpoint and the configuration beside it, as far as the cache lacks them.

    Raises HubError (see cached_file; an address without a file; an index that lists what is no file
    beside it), OSError where the cache cannot be written.
    """
    if not address.file:
        raise HubError(_which_file(address))
    file = cached_file(address, say, watch)
    if not address.file.endswith(_WITHOUT_CONFIGURATION):
        _bring_configuration(file.address, say, watch)
    if not address.file.endswith(INDEX):
        return HubCheckpoint(file)
    names = shards_listed(file.path)
    shards = tuple(cached_file(file.address.sibling(name), say, watch) for name in names)
    return HubCheckpoint(file, shards)


def shards_listed(index: Path) -> tuple[str, ...]:
    """Return the files that an index lists. Raises HubError where they are no files beside it."""
    try:
        places = json.loads(read_at_most(index, _MOST_INDEX_BYTES))["weight_map"]
        names = sorted({str(each) for each in places.values()})
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise HubError(f"{index} is no index of a checkpoint: {error}") from error
    if not names or len(names) > _MOST_SHARDS:
        raise HubError(f"{index} lists {len(names)} files: expected 1 to {_MOST_SHARDS}")
    for name in names:
        if "/" in name or not is_plain_path(name):
            raise HubError(f"{index} lists {name!r}, which is no file beside it")
    return tuple(names)


def _bring_configuration(weights: HubAddress, say: Say, watch: Watch) -> None:
    """Fetch the configuration beside weights, where there is one.

    No tensor shows all of what it says, so an export that does not see it may compute something
    else. Raises HubError, also for one that is too large to be any.
    """
    place = weights.sibling(_CONFIGURATION)
    try:
        found = files_of(weights).get(place.file)
    except UnreachableError:
        say(f"{place} was not looked for: what the cache has of it is taken")
        return
    if found is None:
        return
    if found.bytes is None or found.bytes > _MOST_CONFIGURATION_BYTES:
        raise HubError(
            f"{place} has {found.bytes} bytes, {_MOST_CONFIGURATION_BYTES} at most were expected "
            f"of a model's configuration"
        )
    cached_file(found.address, say, watch)


def _which_file(address: HubAddress) -> str:
    names = [name for name in files_of(address) if name.endswith(_WEIGHTS)]
    if not names:
        return f"{address} has no checkpoint that can be read: see {page(address)}"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (
        f"{address} is a repository: name one of its files, hf://{address.repository}/FILE; it has "
        f"{', '.join(names[:_MOST_NAMED])}{more}"
    )
