"""Finds bags, videos and pictures: by name, by pattern, and in folders to any depth."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sam3_ros.core.named_files import PICTURE_SUFFIXES, files_named
from sam3_ros.label.chunk import SourceKind, source_key
from sam3_ros.label.work_names import WORK
from sam3_ros.replay.bag.bag_folder import METADATA, find_parts
from sam3_ros.replay.bag.recording import BagError, BagRemarks

VIDEO_SUFFIXES = (
    *(".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".asf", ".flv", ".ogv", ".3gp"),
)
_STORAGES, _COMPRESSED = (".mcap", ".db3"), (".zstd", ".zst")
# Those of ROS 1 are found too: they are set aside with what to do.
_OTHER_BAGS = (".bag",)
_SPLIT = re.compile(r"_\d+$")
_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\]")


@dataclass(frozen=True)
class FoundSource:
    """A source that has not been looked into."""

    kind: SourceKind
    #: Absolute.
    path: Path
    #: Proposed: where it lies below what was named.
    name: str
    #: Of pictures, their names in the folder, in order.
    pictures: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names it in the work folder."""
        return source_key(self.kind, str(self.path))


@dataclass(frozen=True)
class FoundSources:
    """What the names on a command line mean."""

    #: In the order of the names, each once.
    sources: tuple[FoundSource, ...]
    #: What cannot be looked into or holds nothing to label, with the reason.
    refused: tuple[tuple[str, str], ...]


def find_sources(names: Iterable[str]) -> FoundSources:
    """Return the sources that files, folders and patterns mean.

    A folder is a bag if it has a metadata.yaml or the splits of one recording. Otherwise each bag
    and video in it is a source, all its pictures are one, and the folders in it are searched too,
    but for hidden ones and those that a labelling wrote.
    """
    search = _Search()
    for name in names:
        found = list(files_named(name))
        if not found:
            search.refused.append((name, "no file matches it"))
        for path in found:
            search.look_at(path)
    return FoundSources(tuple(_each_once([*search.sources.values()])), tuple(search.refused))


def _each_once(sources: Sequence[FoundSource]) -> Iterator[FoundSource]:
    """Yield the sources without links to others, and without files of bags that are among them."""
    files = [each for each in reversed(sources) if each.kind is not SourceKind.PICTURES]
    found = {os.path.realpath(each.path): each for each in files}
    for each in sources:
        real = os.path.realpath(each.path)
        whole = found.get(os.path.dirname(real))  # noqa: PTH120 - of the text
        is_part = whole is not None and whole.kind is SourceKind.BAG and _has(whole, real)
        if each.kind is SourceKind.PICTURES or (found[real] is each and not is_part):
            yield each


def _has(bag: FoundSource, file: str) -> bool:
    """Return whether a file is one of those that a bag's folder is read from."""
    try:
        parts = find_parts(bag.path, BagRemarks()).files
    except (BagError, OSError):
        return False
    return file in map(os.path.realpath, parts)


@dataclass
class _Search:
    sources: dict[tuple[SourceKind, Path], FoundSource] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    _visited: set[str] = field(default_factory=set)

    def look_at(self, path: Path) -> None:
        """Add what a path that was named means."""
        before = len(self.sources), len(self.refused)
        try:
            absolute = path.absolute()
            is_folder = absolute.is_dir()
            if not absolute.exists():
                self.refused.append((str(path), "there is no such file or folder"))
                return
        except (OSError, ValueError) as error:  # a name too long, or with a NUL
            self.refused.append((str(path), _reason(error)))
            return
        if absolute.name == METADATA:
            absolute, is_folder = absolute.parent, True
        if not is_folder:
            self._file(absolute, absolute.name, named=str(path))
            return
        is_known = os.path.realpath(absolute) in self._visited
        self._folder(absolute, ())
        if (len(self.sources), len(self.refused)) == before and not is_known:
            reason = "the folder holds nothing: expected a bag, a video or a picture in it"
            self.refused.append((str(path), reason))

    def _folder(self, folder: Path, below: tuple[str, ...]) -> None:
        """Add what is in a folder. below: its parts below the folder that was named."""
        real = os.path.realpath(folder)
        if real in self._visited:
            return
        self._visited.add(real)
        try:
            inside = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
            if (folder / WORK).is_dir():
                return  # what a labelling wrote
        except OSError as error:
            self.refused.append((str(folder), f"cannot be read: {_reason(error)}"))
            return
        name = "/".join(below) or folder.name or "root"
        if (folder / METADATA).exists():
            self._add(SourceKind.BAG, folder, name)
            return
        files = [each for each in inside if not _is_folder(each)]
        rest = self._splits(folder, name, files)
        pictures = [each.name for each in rest if each.suffix.lower() in PICTURE_SUFFIXES]
        if pictures:
            self._add(SourceKind.PICTURES, folder, name, pictures)
        for file in rest:
            if file.name not in pictures:
                self._file(file, "/".join((*below, file.name)))
        for each in inside:
            if _is_folder(each):
                self._folder(each, (*below, each.name))

    def _splits(self, folder: Path, name: str, files: list[Path]) -> list[Path]:
        """Add the splits of one recording as one bag; return the other files."""
        bags = [each for each in files if _bag_stem(each.name)]
        stems = {_SPLIT.sub("", _bag_stem(each.name)) for each in bags}
        if len(bags) < 2 or len(stems) != 1:
            return files
        self._add(SourceKind.BAG, folder, name)
        return [each for each in files if each not in bags]

    def _file(self, path: Path, name: str, named: str = "") -> None:
        """Add a file. named: as the user named it; of others, those of no known kind are none."""
        suffix = path.suffix.lower()
        if suffix in PICTURE_SUFFIXES:
            self._add(SourceKind.PICTURES, path.parent, path.parent.name or "root", [path.name])
        elif suffix in VIDEO_SUFFIXES:
            self._add(SourceKind.VIDEO, path, name)
        elif named or _bag_stem(path.name) or suffix in _OTHER_BAGS:
            self._add(SourceKind.BAG, path, name)  # what it is, its first bytes tell

    def _add(self, kind: SourceKind, path: Path, name: str, pictures: Iterable[str] = ()) -> None:
        before = self.sources.get((kind, path))
        known = () if before is None else before.pictures
        merged = tuple(sorted({*known, *pictures}))
        fitting = "/".join(_fitting(part) for part in name.split("/"))
        self.sources[kind, path] = FoundSource(kind, path, fitting, merged)


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder, as far as one can see: a link may lead anywhere."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _bag_stem(name: str) -> str:
    """Return a bag file's name without its suffixes; empty for what is none by its name."""
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    path = Path(name)
    return path.stem if path.suffix in _STORAGES else ""


def _fitting(part: str) -> str:
    """Return a part of a name without what no file name of an output should have."""
    text = _UNFIT.sub("_", os.fsencode(part).decode("utf-8", "replace"))
    return f"_{text}" if text in ("", ".", "..") else text


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
