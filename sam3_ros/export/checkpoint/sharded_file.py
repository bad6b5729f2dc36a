"""A checkpoint in several files with their index, as transformers writes large models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.checkpoint.nesting import unwrapped
from sam3_ros.export.checkpoint.shards import absent, places_in, some


def read_sharded(index: Path, open_file: Callable[[Path], Checkpoint]) -> Checkpoint:
    """Return the tensors of all files that an index lists, mapped into memory.

    open_file: opens one of the files. Raises CheckpointError: a file that is not there or lies
    elsewhere, a tensor that is not where the index says, is twice, or is not listed.
    """
    places = places_in(index)
    outside = sorted({file for file in places.values() if Path(file).name != file})
    if outside:
        raise CheckpointError(
            f"{index} lists files outside of its folder ({some(outside)}); put all of them beside "
            f"the index, and their plain names into it"
        )
    if missing := absent(index.parent, places.values()):
        raise CheckpointError(
            f"{index}: {len(missing)} of its files are not in {index.parent}: {some(missing)}; "
            f"fetch them"
        )
    parts = {file: open_file(index.parent / file) for file in sorted(set(places.values()))}
    owners = _owners(index, parts, unwrapped(places))
    first = next(iter(parts.values()))
    return Checkpoint(
        path=index,
        shapes={name: parts[file].shapes[name] for name, file in owners.items()},
        dtypes={name: parts[file].dtypes[name] for name, file in owners.items()},
        leftovers=tuple(rest for part in parts.values() for rest in part.leftovers),
        notes={**first.notes, "file": index.name},
        read=lambda name: parts[owners[name]].read(name),
        shards=tuple(part.path for part in parts.values()),
    )


def _owners(
    index: Path, parts: Mapping[str, Checkpoint], listed: Mapping[str, str]
) -> dict[str, str]:
    """Return the file of each tensor, as the index says and the files confirm."""
    found: dict[str, str] = {}
    for file, part in parts.items():
        for name in part.shapes:
            if name in found:
                raise CheckpointError(
                    f"{index}: {name} is in {found[name]} and in {file}; fetch the files again"
                )
            found[name] = file
    wrong = [name for name, file in listed.items() if found.get(name) != file]
    unlisted = [name for name in found if name not in listed]
    if wrong or unlisted:
        what = "not in the file that the index says" if wrong else "not in the index"
        raise CheckpointError(
            f"{index}: {len(wrong or unlisted)} tensors are {what}: {some(wrong or unlisted)}; "
            f"fetch index and files again, of one revision"
        )
    return dict(listed)
