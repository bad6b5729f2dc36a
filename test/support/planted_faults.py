"""Golden frames with something wrong in them, to see that a judge notices."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.replay.golden.frames import INDEX_NAME, GoldenFrames

Labels = npt.NDArray[np.uint8]
Entry = dict[str, Any]


def planted(
    golden: Path,
    place: Path,
    *,
    labels: Callable[[Labels], Labels] | None = None,
    index: Callable[[list[Entry]], list[Entry]] | None = None,
    holding: str = "",
) -> GoldenFrames:
    """Copy golden frames to `place` with a change.

    `labels` changes the label image of the first frame that holds the prompt `holding`; `index`
    changes the entries of all frames.
    """
    shutil.copytree(golden, place)
    path = place / INDEX_NAME
    document = json.loads(path.read_text())
    if labels is not None:
        entry = first_holding(document["frames"], holding)
        picture = place / entry["file"]
        before = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED)
        after = labels(before)
        assert not np.array_equal(before, after), "the change changes nothing"
        assert cv2.imwrite(str(picture), after)
    if index is not None:
        before_text = json.dumps(document["frames"])
        document["frames"] = index(document["frames"])
        assert json.dumps(document["frames"]) != before_text, "the change changes nothing"
        for entry in document["frames"]:
            if not (place / entry["file"]).exists():  # a frame that never was
                shutil.copy(place / document["frames"][0]["file"], place / entry["file"])
    path.write_text(json.dumps(document))
    return GoldenFrames(place)


def first_holding(entries: list[Entry], prompt_id: str) -> Entry:
    return next(e for e in entries if prompt_id in [s["prompt_id"] for s in e["segments"]])


def value_of(golden: Path, prompt_id: str) -> int:
    """Return the label value of a prompt in the first frame that holds it."""
    entries = json.loads((golden / INDEX_NAME).read_text())["frames"]
    segments = first_holding(entries, prompt_id)["segments"]
    return next(s["value"] for s in segments if s["prompt_id"] == prompt_id)
