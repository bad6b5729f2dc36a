"""The folder of a labelling: one run at a time, one identity, and what of it is done.

OUT/.sam3-ros-label/lock            held while a run is at work
OUT/.sam3-ros-label/identity.json   what the labels depend on
OUT/.sam3-ros-label/outputs.json    of which chunks each output was made
OUT/.sam3-ros-label/KEY/plan.json   what is labelled of a source
OUT/.sam3-ros-label/KEY/000000.json the answer to a chunk
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.whole_file import named_errors, write_whole
from sam3_ros.label.chunk import Chunk
from sam3_ros.label.chunk_file import ChunkHead, chunk_path, read_head
from sam3_ros.label.inputs.being_written import OpenFiles
from sam3_ros.label.inputs.discovery import FoundSource
from sam3_ros.label.inputs.planning import SourcePlan, fingerprint_of, plan_source
from sam3_ros.label.inputs.selection import Selection
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.work_names import LOCK, PLAN, WORK

_UNFINISHED = ".sam3-ros-[0-9]*"
_NAME_PART = 6


class FolderInUseError(Sam3RosError):
    """Another run is at work in the folder, or it holds something else."""


@dataclass(frozen=True)
class ChunkState:
    """A chunk of a plan, and the head of its file; None where it is not done."""

    number: int
    topic: str
    frames: int
    head: ChunkHead | None


@dataclass(frozen=True)
class Lacking:
    """What of a source is not labelled."""

    key: str
    name: str
    path: str
    #: How many; 0 where all of it is done.
    chunks: int

    @property
    def remark(self) -> str:
        """A sentence for people, where the source was not named."""
        return (
            f"{self.name}: {self.chunks} chunks of it are not labelled, since an earlier command "
            f"did not end or its file was damaged: name {self.path} again"
        )


class RunFolder:
    """An open folder; made by open_run_folder."""

    def __init__(self, out: Path, is_new: bool) -> None:
        """is_new: whether the folder itself was made for this run."""
        self.out = out
        self._is_new = is_new
        self.work = out / WORK
        self._open_files = OpenFiles()
        self._names = {plan.source.name: plan.source.key for plan in self.plans()}

    def folder_of(self, key: str) -> Path:
        """Return the folder of a source's chunks."""
        return self.work / key

    def plan(self, found: FoundSource, selection: Selection, settings: ReadSettings) -> SourcePlan:
        """Return the plan of a source: the one that is kept, or a new one if its files changed.

        Chunks of a source that changed are deleted. Raises Sam3RosError where it is set aside.
        """
        key = found.key
        kept = self.kept_plan(key)
        if kept is not None and kept.source.fingerprint == fingerprint_of(found):
            return kept
        name = self._free_name(found.name, key)
        plan = plan_source(found, name, selection, settings, self._open_files)
        folder = self.folder_of(key)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        write_whole(folder / PLAN, json.dumps(plan.document(), separators=(",", ":")))
        self._names[name] = key
        return plan

    def kept_plan(self, key: str) -> SourcePlan | None:
        """Return the plan of a source that is kept; None for none, or for a damaged one."""
        try:
            document = json.loads((self.folder_of(key) / PLAN).read_bytes())
            return SourcePlan.of_document(document)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def plans(self) -> Iterator[SourcePlan]:
        """Yield all plans that are kept, those of earlier commands too, one at a time."""
        for folder in sorted(self.work.iterdir()):
            plan = self.kept_plan(folder.name) if folder.is_dir() else None
            if plan is not None:
                yield plan

    def states(self, plan: SourcePlan) -> Iterator[ChunkState]:
        """Yield what is done of a plan."""
        folder = self.folder_of(plan.source.key)
        for chunk in plan.chunks:
            head = read_head(chunk_path(folder, chunk.number))
            yield ChunkState(chunk.number, chunk.topic, len(chunk.frames), head)

    def lacking(self) -> Iterator[Lacking]:
        """Yield what of each source is not done, those of earlier commands too."""
        for plan in self.plans():
            chunks = sum(state.head is None for state in self.states(plan))
            yield Lacking(plan.source.key, plan.source.name, plan.source.path, chunks)

    def missing(self, keys: Sequence[str]) -> Iterator[Chunk]:
        """Yield the chunks of these sources that are not done, source by source."""
        for key in keys:
            plan = self.kept_plan(key)
            if plan is None:
                continue
            for chunk, state in zip(plan.chunks, self.states(plan), strict=True):
                if state.head is None:
                    yield chunk

    def remove_if_empty(self) -> None:
        """Delete the folder if nothing of it was labelled, and nothing else lies in it."""
        if any(each.is_dir() for each in self.work.iterdir()):
            return
        shutil.rmtree(self.work)
        if self._is_new:
            with suppress(OSError):  # somebody has put something there
                self.out.rmdir()

    def _free_name(self, name: str, key: str) -> str:
        taken = self._names.get(name)
        is_free = taken in (None, key) and not self._is_beside_a_file(name)
        return name if is_free else f"{name}~{key[:_NAME_PART]}"

    def _is_beside_a_file(self, name: str) -> bool:
        """Return whether the labels' bag of one source would be the folder of another's."""
        above, _, last = name.rpartition("/")
        is_below = above in self._names and last == f"{above.rpartition('/')[2]}.mcap"
        return is_below or f"{name}/{last}.mcap" in self._names


@contextmanager
def open_run_folder(out: Path) -> Iterator[RunFolder]:
    """Take a folder for a run, made if need be. Raises FolderInUseError; OSError."""
    work = out / WORK
    _require_own(out)
    is_new = not out.exists()
    with named_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        work.mkdir(exist_ok=True)
    with _locked(work / LOCK, out):
        _remove_unfinished(out)
        yield RunFolder(out, is_new)


def _require_own(out: Path) -> None:
    """Refuse a folder in which something else lies than labels."""
    if out.exists() and not out.is_dir():
        raise FolderInUseError(f"{out} is a file: name a folder for the labels")
    if out.is_dir() and not (out / WORK).is_dir() and any(out.iterdir()):
        raise FolderInUseError(
            f"{out} holds files, and no labelling wrote them: name a new or an empty folder"
        )


@contextmanager
def _locked(file: Path, out: Path) -> Iterator[None]:
    """Hold a lock that the system lets go when this process ends, however it ends."""
    with file.open("a+") as lock:
        with named_errors(file):
            _take(lock, out)
        yield


def _take(lock: TextIO, out: Path) -> None:
    """Take the lock and write into it whose it is. Raises FolderInUseError; OSError."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        who = lock.read().strip() or "another process"
        raise FolderInUseError(
            f"another run labels into {out} ({who}): wait for it, or name another folder"
        ) from error
    lock.seek(0)
    lock.truncate()
    lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    lock.flush()


def _remove_unfinished(out: Path) -> None:
    """Delete what killed processes have left of files that they did not finish."""
    places = ("", f"{WORK}/", f"{WORK}/*/")
    for file in chain.from_iterable(out.glob(f"{place}{_UNFINISHED}") for place in places):
        with suppress(OSError):
            file.unlink()
