"""Checkpoints in several files: a shard, their index, a folder of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

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
    for index in sorted(shard.parent.glob("*.index.json")):
        places = _places(index)
        if shard.name in places.values():
            return tuple(places)
    return ()


def tensors_listed(path: Path) -> tuple[str, ...]:
    """Return the names in an index, or in that of a folder; empty where there is none."""
    index = next(iter(sorted(path.glob("*.index.json"))), None) if path.is_dir() else path
    return tuple(_places(index)) if index is not None and index.suffix == ".json" else ()


def absent(folder: Path, shards: Iterable[str]) -> list[str]:
    """Return the shards that are not in the folder."""
    return [each for each in sorted(set(shards)) if not (folder / each).is_file()]


def siblings(shard: Path) -> list[str]:
    """Return the names of all shards of which one is given."""
    number, count = shard_of(shard.name) or (1, 1)
    return [shard.name.replace(f"-{number:05}-of-", f"-{n:05}-of-") for n in range(1, count + 1)]


def one_file_of(folder: Path, shards: Iterable[str]) -> str:
    """Say how to make one file of a checkpoint's shards, or which of them are not there."""
    names = sorted(set(shards))
    if missing := absent(folder, names):
        return f"{len(missing)} of its files are not in {folder}: {_first(missing)}; fetch them"
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
    return f"make one file of all {len(names)}: {how}"


def why_no_index(path: Path, places: Mapping[str, Any]) -> str:
    """Say what an index is, and how to make one file of what it lists."""
    shards = sorted({str(each) for each in places.values()})
    if not shards:
        return "is the index of a checkpoint and lists no files; fetch it again"
    return (
        f"is the index of a checkpoint in {len(shards)} files ({_first(shards)}), not the weights; "
        f"{one_file_of(path.parent, shards)}"
    )


def why_no_folder_of_shards(folder: Path, first: str) -> str:
    """Say that a folder holds one checkpoint in several files; first: its index, or a shard."""
    places = _places(folder / first)
    shards = sorted({*map(str, places.values())}) or siblings(folder / first)
    return (
        f"is a folder with a checkpoint in {len(shards)} files ({_first(shards)}); "
        f"{one_file_of(folder, shards)}"
    )


def _places(index: Path) -> Mapping[str, Any]:
    try:
        places = json.loads(index.read_bytes())["weight_map"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return {}
    return places if isinstance(places, dict) else {}


def _first(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
