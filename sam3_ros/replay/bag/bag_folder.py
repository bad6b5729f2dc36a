"""Which files make up a bag: a single file, or a folder with or without its metadata.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam3_ros.core.bounded_file import decoded, read_at_most
from sam3_ros.core.checked_yaml import (
    ANY_MAPPING,
    MAX_BYTES,
    DocumentKind,
    parse_document,
)
from sam3_ros.replay.bag.recording import BagError, BagRemarks

METADATA = "metadata.yaml"
_METADATA = DocumentKind("its text", ANY_MAPPING, BagError)
_INFORMATION, _PATHS = "rosbag2_bagfile_information", "relative_file_paths"
_STORAGES, _COMPRESSED = (".mcap", ".db3"), (".zstd", ".zst")
_NUMBER = re.compile(r"\d+")
_SPLIT = re.compile(r"_\d+$")
_BAGS_TOLD = 5
HOW_TO_CONVERT = "convert it: pip install rosbags; rosbags-convert --src {} --dst {}"


@dataclass(frozen=True)
class BagParts:
    """The files of a bag in the order of their recording."""

    #: One or more.
    files: tuple[Path, ...]
    #: How many messages metadata.yaml promises; None without it.
    promised: int | None = None
    has_metadata: bool = False


def find_parts(path: Path, remarks: BagRemarks) -> BagParts:
    """Find the files of a bag; what cannot be had is remarked. Raises BagError."""
    if not path.exists():
        raise BagError(f"there is no bag {path}")
    if path.name == METADATA:
        path = path.parent
    if not path.is_dir():
        return BagParts((path,))
    there = _bag_files(path)
    metadata = _read_metadata(path, remarks)
    if metadata is None:
        files = _of_one_recording(path, there)
        if not (path / METADATA).exists():
            remarks.add(
                path.name,
                f"no {METADATA}: the {len(files)} files in it are played"
                if len(files) > 1
                else f"no {METADATA}: the file in it is played",
            )
        return BagParts(files)
    return _named(path, metadata, there, remarks)


def _bag_files(folder: Path) -> list[Path]:
    """Return the files of a bag in a folder by their numbers; one beside its compressed one."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir(), key=_natural):
        name = file.name.removesuffix(file.suffix) if file.suffix in _COMPRESSED else file.name
        if file.is_file() and Path(name).suffix in _STORAGES:
            found.setdefault(name, file)
            if file.name == name:
                found[name] = file
    return list(found.values())


def _read_metadata(folder: Path, remarks: BagRemarks) -> dict[str, Any] | None:
    file = folder / METADATA
    if not file.exists():
        return None
    try:
        text = decoded(read_at_most(file, MAX_BYTES))
        document = parse_document(text, _METADATA).value
    except (OSError, ValueError, BagError) as error:
        why = getattr(error, "strerror", None) or str(error)
    else:
        metadata = document.get(_INFORMATION) if isinstance(document, dict) else None
        if isinstance(metadata, dict) and isinstance(metadata.get(_PATHS), list):
            return metadata
        why = f"it has no list {_PATHS} in {_INFORMATION}"
    remarks.add(str(file), f"unreadable ({why}): the files beside it are played")
    return None


def _named(
    folder: Path, metadata: dict[str, Any], there: list[Path], remarks: BagRemarks
) -> BagParts:
    """Return the files that the metadata names, as far as they are there."""
    by_name = {_without_compression(file.name): file for file in there}
    # One that is named twice is played once.
    names = list(dict.fromkeys(Path(str(name)).name for name in metadata[_PATHS]))
    found = [by_name.get(_without_compression(name)) for name in names]
    absent = [name for name, file in zip(names, found, strict=True) if file is None]
    files = [file for file in found if file is not None]
    if not files:
        if not there:
            raise BagError(_nothing_in(folder))
        remarks.add(
            str(folder / METADATA),
            f"names {', '.join(absent)}, and none is there: the files beside it are played"
            if absent
            else "names no file: those beside it are played",
        )
        return BagParts(_of_one_recording(folder, there))
    for name in absent:
        remarks.add(name, f"named by {METADATA} and not there")
    for file in there:
        if file not in files:
            remarks.add(file.name, f"not named by {METADATA}, left out; it can be given by itself")
    promised = metadata.get("message_count")
    return BagParts(tuple(files), promised if isinstance(promised, int) else None, True)


def _of_one_recording(folder: Path, there: list[Path]) -> tuple[Path, ...]:
    """Return the files if they are splits of one recording. Raises BagError."""
    if not there:
        raise BagError(_nothing_in(folder))
    stems = {_SPLIT.sub("", Path(_without_compression(file.name)).stem) for file in there}
    if len(there) > 1 and len(stems) > 1:
        raise BagError(
            f"{folder} has no {METADATA} and the files of several bags, {_told(there)}: give one"
        )
    return tuple(there)


def _nothing_in(folder: Path) -> str:
    inside = sorted(folder.iterdir())
    bags = [
        each
        for each in inside
        if each.is_dir() and ((each / METADATA).exists() or _bag_files(each))
    ]
    ros1 = [each for each in inside if ".bag" in each.suffixes]
    if bags:
        number = "one bag" if len(bags) == 1 else f"{len(bags)} bags"
        return f"{folder} is a folder of {number}, {_told(bags)}: give one"
    if ros1:
        return f"{folder} has ROS 1 bags, {_told(ros1)}: {how_to_convert(ros1[0])}"
    if not inside:
        return f"the folder {folder} is empty: expected .mcap or .db3 files"
    return f"{folder} is no bag: expected .mcap or .db3 files in it, found {_told(inside)}"


def how_to_convert(ros1_bag: Path) -> str:
    """Return how to make a ROS 2 bag of a ROS 1 bag."""
    name = ros1_bag.name.partition(".")[0] if "." in ros1_bag.name else f"{ros1_bag.name}_ros2"
    return HOW_TO_CONVERT.format(ros1_bag, name or "converted")


def _without_compression(name: str) -> str:
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    return name


def _natural(path: Path) -> tuple[list[int], str]:
    return [int(number) for number in _NUMBER.findall(path.name)], path.name


def _told(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:_BAGS_TOLD])
    more = len(paths) - _BAGS_TOLD
    return f"{names} and {more} more" if more > 0 else names
