"""A video that the original's code tracked: what was asked, and what it answered frame by frame."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import ExportError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.memory.choice import MemoryRules

PREFIX = "video_cases_"
#: What the original can be told and this runtime cannot.
_FIXED: Mapping[str, object] = {
    "memory_temporal_stride_for_eval": 1,
    "keep_first_cond_frame": False,
    "non_overlap_masks_for_mem_enc": False,
    "non_overlap_masks_for_output": False,
    "sigmoid_scale_for_mem_enc": 20.0,
    "sigmoid_bias_for_mem_enc": -10.0,
    "use_multimask_token_for_obj_ptr": True,
    "iter_use_prev_mask_pred": True,
    "add_all_frames_to_correct_as_cond": True,
    "memories_stored_as": "float32",
}
_ARRAYS = (
    *("kind", "frame", "obj", "masks", "foreground", "iou", "iou4", "object_score", "pointers"),
    *("chosen", "multimask", "memory_frames", "memory_cond", "memory_tpos_row"),
    *("pointer_frames", "pointer_cond", "pointer_age", "pointer_age_divisor"),
)


@dataclass(frozen=True)
class PromptStep:
    """An object is shown, or corrected."""

    group: int
    obj: int
    frame: int
    #: Clicks or a box; None for a mask.
    clicks: InteractivePrompt | None
    #: Seed and frame of the mask that video_mask draws; None for clicks.
    mask: tuple[int, int] | None
    #: Answer with the memories of the frames before.
    with_memory: bool


@dataclass(frozen=True)
class TrackStep:
    """A group of objects is tracked from a frame to another, both included."""

    group: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class VideoCase:
    """One case."""

    name: str
    weights_seed: int
    score_shift: float
    iou_bias: tuple[float, ...]
    #: Seed and number of the drawn image, for each frame.
    frames: tuple[tuple[int, int], ...]
    steps: tuple[PromptStep | TrackStep, ...]
    #: The case with whose end this one begins; empty for none.
    continues: str
    rules: MemoryRules
    settings: Mapping[str, Any]
    #: By the keys of the file.
    answers: Mapping[str, Array]

    def unlike(self, manifest: Manifest) -> str:
        """Say what the original was told that the bundle's runtime cannot do; empty for nothing."""
        interactive, video = manifest.interactive, manifest.video
        if interactive is None or video is None:
            return "the bundle has no stages for video"
        best = video.tracked_mask == "best"
        expected = {
            **_FIXED,
            "image_size": manifest.preprocessing.height,
            "multimask_output_for_tracking": best,
            "multimask_max_pt_num": interactive.multimask_max_points,
            "dynamic_multimask_stability_delta": interactive.single_mask.delta,
            "dynamic_multimask_stability_thresh": interactive.single_mask.threshold,
        }
        other = [
            f"{name} {self.settings[name]} (here {value})"
            for name, value in expected.items()
            if self.settings.get(name, value) != value
        ]
        return f"answered with other settings: {', '.join(other)}" if other else ""


def load_video_case(path: Path) -> VideoCase:
    """Read a case. Raises ExportError for a file that is none."""
    name = path.stem.removeprefix(PREFIX)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        asked, settings = (json.loads(str(arrays.pop(key))) for key in ("case", "settings"))
        if missing := [each for each in _ARRAYS if each not in arrays]:
            raise ExportError(f"{path} is not a video case: it has no {', '.join(missing)}")
        return _case(name, asked, settings, arrays)
    except (OSError, EOFError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise ExportError(f"{path} cannot be read as a video case: {error!r}") from error


def _case(
    name: str, asked: Mapping[str, Any], settings: Mapping[str, Any], answers: Mapping[str, Array]
) -> VideoCase:
    pointers = min(int(asked["num_frames"]), int(settings["max_obj_ptrs_in_encoder"]))
    prompted = int(settings["max_cond_frames_in_attn"])
    by_quality = settings.get("use_memory_selection", False)
    return VideoCase(
        name=name,
        weights_seed=int(asked["weights_seed"]),
        score_shift=float(asked["score_shift"]),
        iou_bias=tuple(float(each) for each in asked["iou_bias"]),
        frames=tuple((int(seed), int(number)) for seed, number in asked["frames"]),
        steps=tuple(_step(each) for each in asked["steps"]),
        continues=str(asked.get("continues", "")),
        rules=MemoryRules(
            memories=int(settings["num_maskmem"]) - 1,
            prompted=prompted if prompted > 0 else len(asked["frames"]) + 1,
            pointers=max(pointers, 1),
            pointer_divisor=max(pointers - 1, 1),
            selection=float(settings["mf_threshold"]) if by_quality else None,
        ),
        settings=settings,
        answers=answers,
    )


def _step(entry: Mapping[str, Any]) -> PromptStep | TrackStep:
    group = int(entry.get("group", 0))
    if "track" in entry:
        first, last = (int(each) for each in entry["track"])
        return TrackStep(group, first, last)
    prompt = entry["prompt"]
    mask = prompt.get("mask")
    clicks = None
    if mask is None:
        points = tuple((float(x), float(y)) for x, y in prompt.get("points") or ())
        labels = tuple(int(each) for each in prompt.get("labels") or ())
        box = Box(*map(float, prompt["box"])) if prompt.get("box") else None
        clicks = InteractivePrompt(points, labels, box)
    return PromptStep(
        group=group,
        obj=int(prompt["obj"]),
        frame=int(prompt["frame"]),
        clicks=clicks,
        mask=None if mask is None else (int(mask[0]), int(mask[1])),
        with_memory=bool(prompt.get("use_prev_mem_frame", False)),
    )
