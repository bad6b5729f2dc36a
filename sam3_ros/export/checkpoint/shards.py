"""Checkpoints in several files: a shard, its siblings, their index."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.\w+$")
_LISTED = 3


def shard_of(file_name: str) -> tuple[int, int] | None:
    """Return the number of a shard and of how many, None for a file that is whole by its name."""
    found = _SHARD.search(file_name)
    if found is None or int(found[2]) < 2:
        return None
    return int(found[1]), int(found[2])


def all_names(shard: Path) -> tuple[str, ...]:
    """Return the names of all tensors of the checkpoint, from the index beside a shard.

    Empty where there is no index that lists this file.
    """
    index = index_of(shard)
    return tuple(places_in(index)) if index is not None else ()


def index_of(shard: Path) -> Path | None:
    """Return the index beside a shard that lists it."""
    for index in sorted(shard.parent.glob("*.index.json")):
        if shard.name in places_in(index).values():
            return index
    return None


def tensors_listed(path: Path) -> tuple[str, ...]:
    """Return the names in an index, or in that of a folder; empty where there is none."""
    index = next(iter(sorted(path.glob("*.index.json"))), None) if path.is_dir() else path
    return tuple(places_in(index)) if index is not None and index.suffix == ".json" else ()


def absent(folder: Path, shards: Iterable[str]) -> list[str]:
    """Return the shards that are not in the folder."""
    return [each for each in sorted(set(shards)) if not (folder / each).is_file()]


def siblings(shard: Path) -> list[str]:
    """Return the names of all shards of which one is given."""
    number, count = shard_of(shard.name) or (1, 1)
    return [shard.name.replace(f"-{number:05}-of-", f"-{n:05}-of-") for n in range(1, count + 1)]


def how_to_read(shard: Path) -> str:
    """Say how to read the checkpoint of which one file is given."""
    if (index := index_of(shard)) is not None:
        missing = absent(shard.parent, places_in(index).values())
        fetch = f" ({len(missing)} files are still to be fetched: {some(missing)})"
        return f"name the index, {index}{fetch if missing else ''}"
    names = siblings(shard)
    if missing := absent(shard.parent, names):
        return f"{len(missing)} of its files are not in {shard.parent}: {some(missing)}; fetch them"
    pattern = re.sub(r"\d{5}-of", "*-of", names[0])
    if names[0].endswith(".safetensors"):
        how = (
            "from glob import glob; from safetensors.torch import load_file, save_file; "
            f'save_file({{name: tensor for shard in glob("{pattern}") for name, tensor in '
            'load_file(shard).items()}, "model.safetensors")'
        )
    else:
        how = (
            "import torch; from glob import glob; torch.save({name: tensor for shard in "
            f'glob("{pattern}") for name, tensor in '
            'torch.load(shard, weights_only=True).items()}, "model.pth")'
        )
    return f"fetch the index beside it, or make one file of all {len(names)}: {how}"


def places_in(index: Path) -> Mapping[str, str]:
    """Return the file of each tensor that an index lists, empty for what is no index."""
    try:
        places = json.loads(index.read_bytes())["weight_map"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return {}
    if not isinstance(places, dict):
        return {}
    return {name: str(file) for name, file in places.items()}


def some(names: list[str]) -> str:
    """Return the first of the names."""
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
