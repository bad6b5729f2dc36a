"""Golden frames in a folder: golden.json, and per frame a label image as grey PNG of 8 bits.

{"format": 1, "frames": [
{"file": "front_0_170000.png", "camera": "front", "loop": 0, "stamp_ns": 170000, "repeat": 0,
 "frame_id": "front_optical", "segments": [
   {"prompt_id": "red cube", "value": 1, "score": 0.93, "box": [x_min, y_min, x_max, y_max],
    "track": {"id": 3, "state": "confirmed", "age": 12}}]}]}

Only tracked segments have a "track". Those that are hidden are not kept.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from sam3_ros.core.bounded_file import read_at_most
from sam3_ros.core.checked_json import parse_json
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.segmenter.segments import TrackState, TrackStatus
from sam3_ros.core.whole_file import write_whole
from sam3_ros.replay.client.answered_frame import FoundSegment
from sam3_ros.replay.golden.comparison import FrameKey, FrameOfLabels, Labels

INDEX_NAME, FORMAT = "golden.json", 1
# Of the index; 100,000 frames have about 30 million bytes and 2 million values.
_MOST_BYTES, _MOST_VALUES = 200_000_000, 20_000_000
# By which a file is known as an index, also one that is cut off.
_BEGIN = '{"format":'


class GoldenError(Sam3RosError):
    """Golden frames that are absent, damaged, of another format, or not writable."""


class GoldenFrames:
    """The golden frames of a folder; label images are read on demand."""

    def __init__(self, folder: Path) -> None:
        """Read the index. Raises GoldenError."""
        self.folder = folder
        self._entries = _read_index(folder / INDEX_NAME)
        absent = [key.file_name for key in self._entries if not (folder / key.file_name).is_file()]
        if absent:
            raise GoldenError(
                f"{folder} lacks {len(absent)} pictures of {INDEX_NAME}, first {absent[0]}: "
                "restore them, or write them anew with --update"
            )

    @property
    def keys(self) -> frozenset[FrameKey]:
        return frozenset(self._entries)

    @property
    def prompt_ids(self) -> tuple[str, ...]:
        """Prompt ids of all frames, in the order in which they appear."""
        found = (s["prompt_id"] for e in self._entries.values() for s in e["segments"])
        return tuple(dict.fromkeys(found))

    def frame(self, key: FrameKey) -> FrameOfLabels:
        """Read a frame. Raises GoldenError if its picture is absent or damaged."""
        entry = self._entries[key]
        path = self.folder / key.file_name
        segments = tuple(_segment(segment) for segment in entry["segments"])
        return FrameOfLabels(key, str(entry["frame_id"]), _read_labels(path), segments)


class GoldenWriter:
    """Writes frames to a folder beside the target and moves it into place as a whole.

    with GoldenWriter(folder) as writer:
        writer.add(frame)
        writer.finish()
    """

    def __init__(self, target: Path, *, force: bool = False) -> None:
        """Create the folder. Raises GoldenError if the target is anything but golden frames.

        force: replace whatever the target is.
        """
        if not force and target.exists() and any(_inside(target)) and not _is_golden(target):
            raise GoldenError(
                f"{target} is not a folder of golden frames (it has no {INDEX_NAME}, or another "
                "program's) and is not overwritten; name another, or add --force"
            )
        self._target = target
        target.parent.mkdir(parents=True, exist_ok=True)
        self._staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        self._entries: dict[FrameKey, dict[str, Any]] = {}

    def __enter__(self) -> GoldenWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)

    def add(self, frame: FrameOfLabels) -> None:
        """Write a frame. Raises GoldenError if its key exists, OSError if it cannot be written."""
        if frame.key in self._entries:
            raise GoldenError(f"frame {frame.key} of {frame.key.camera or 'the camera'} came twice")
        path = self._staging / frame.key.file_name
        _, png = cv2.imencode(".png", frame.labels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        path.write_bytes(png.tobytes())  # OpenCV would not tell that the disk is full
        self._entries[frame.key] = _entry(frame)

    def finish(self) -> GoldenFrames:
        """Replace the target. Raises GoldenError without a frame."""
        if not self._entries:
            raise GoldenError("there is no frame to store as golden: nothing was answered")
        write_whole(self._staging / INDEX_NAME, _index_text(self._entries))
        self._keep_others()
        self._staging.chmod(0o755)  # only the owner can read a temporary folder
        retired = self._staging.with_name(f"{self._staging.name}-old")
        if self._target.exists():
            self._target.rename(retired)
        try:
            self._staging.rename(self._target)
        except OSError:
            if retired.exists():
                retired.rename(self._target)
            raise
        shutil.rmtree(retired, ignore_errors=True)
        return GoldenFrames(self._target)

    def _keep_others(self) -> None:
        """Copy what is in the target and is no golden frame, such as a README."""
        if not self._target.is_dir():
            return
        try:
            ours = {key.file_name for key in _read_index(self._target / INDEX_NAME)} | {INDEX_NAME}
        except GoldenError:  # damaged: which of its pictures were ours is not known
            ours = {INDEX_NAME}
        for other in self._target.iterdir():
            copy = self._staging / other.name
            if other.name in ours or copy.exists():
                continue
            if other.is_dir():
                shutil.copytree(other, copy, symlinks=True)
            else:
                shutil.copy2(other, copy, follow_symlinks=False)


def _is_golden(folder: Path) -> bool:
    """Return whether a folder has an index as it is written here, perhaps a damaged one."""
    try:
        with (folder / INDEX_NAME).open("rb") as file:
            return file.read(len(_BEGIN)) == _BEGIN.encode()
    except OSError:
        return False


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else [folder]


def _entry(frame: FrameOfLabels) -> dict[str, Any]:
    key = frame.key
    segments = [
        {
            "prompt_id": s.prompt_id,
            "value": s.value,
            "score": round(s.score, 4),
            "box": [round(edge, 2) for edge in s.box],
            **_track_entry(s.track),
        }
        for s in frame.segments
    ]
    return {
        "file": key.file_name,
        "camera": key.camera,
        "loop": key.loop,
        "stamp_ns": key.stamp_ns,
        "repeat": key.repeat,
        "frame_id": frame.frame_id,
        "segments": segments,
    }


def _track_entry(track: TrackStatus | None) -> dict[str, Any]:
    if track is None:
        return {}
    return {"track": {"id": track.id, "state": track.state.value, "age": track.age}}


def _index_text(entries: Mapping[FrameKey, dict[str, Any]]) -> str:
    """Return the index with one line per frame, for readable diffs."""
    lines = ",\n".join(json.dumps(entries[key]) for key in sorted(entries))
    return f'{_BEGIN} {FORMAT}, "frames": [\n{lines}\n]}}\n'


def _read_index(path: Path) -> dict[FrameKey, dict[str, Any]]:
    try:
        document = parse_json(read_at_most(path, _MOST_BYTES), _MOST_VALUES)
    except FileNotFoundError as error:
        raise GoldenError(
            f"there are no golden frames: {path} is missing; write them with --update"
        ) from error
    except (OSError, ValueError) as error:
        raise GoldenError(f"cannot read {path}: {error}") from error
    try:
        if document["format"] != FORMAT:
            raise GoldenError(
                f"expected golden frames of format {FORMAT} in {path}, got {document['format']!r}: "
                "write them anew with --update"
            )
        entries = {_key(entry): entry for entry in document["frames"]}
        for entry in entries.values():
            _checked(entry)
        return entries
    except (KeyError, TypeError, ValueError) as error:
        raise GoldenError(
            f"{path} is damaged, {type(error).__name__}: {error}; write it anew with --update"
        ) from error


def _key(entry: Mapping[str, Any]) -> FrameKey:
    return FrameKey(
        str(entry["camera"]), int(entry["loop"]), int(entry["stamp_ns"]), int(entry["repeat"])
    )


def _checked(entry: Mapping[str, Any]) -> None:
    str(entry["frame_id"])
    for segment in entry["segments"]:
        _segment(segment)


def _segment(entry: Mapping[str, Any]) -> FoundSegment:
    x_min, y_min, x_max, y_max = map(float, entry["box"])
    return FoundSegment(
        prompt_id=str(entry["prompt_id"]),
        value=int(entry["value"]),
        score=float(entry["score"]),
        box=(x_min, y_min, x_max, y_max),
        track=_track(entry["track"]) if "track" in entry else None,
    )


def _track(entry: Mapping[str, Any]) -> TrackStatus:
    return TrackStatus(int(entry["id"]), TrackState(entry["state"]), int(entry["age"]), 0)


def _read_labels(path: Path) -> Labels:
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if labels is None or labels.dtype != np.uint8 or labels.ndim != 2:
        what = "an unreadable file" if labels is None else f"{labels.dtype} {labels.shape}"
        raise GoldenError(f"expected a grey PNG of 8 bits in {path}, got {what}")
    return np.asarray(labels, np.uint8)
