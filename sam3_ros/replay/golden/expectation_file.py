"""The YAML file of `sam3-ros replay --expect`: one file is one test.

docs/replay.md lists the keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sam3_ros.core.errors import PromptError
from sam3_ros.replay.ask.cues import PromptCue
from sam3_ros.replay.ask.file import prompt_of, read_prompt_file
from sam3_ros.replay.ask.yaml_entry import YamlEntry, read_yaml
from sam3_ros.replay.golden.expectation import Expectation, Judging, Limits, Playing, Tolerance
from sam3_ros.ros.cameras import Camera, CameraNameError
from sam3_ros.ros.frames.ledger import DropReason
from sam3_ros.ros.parameters.parameters import SPECS

FORMAT = 1
_PACES = "recorded, answered, or a rate such as 0.5"
_PLAY = ("cameras", "pace", "loops", "clock", "repeat_stamps", "only_every", "prompts")
_TOLERANCE = (
    "least_iou", "score_difference", "missing_segments", "extra_segments", "label_values",
)  # fmt: skip
_LIMITS = (
    "dropped", "lost", "missing_frames", "extra_frames", "latency_p50_ms", "latency_p95_ms",
)  # fmt: skip

Fields = Mapping[str, YamlEntry]


def read_expectation(path: Path) -> Expectation:
    """Raises ExpectationError with file, line and key; PromptError for prompts."""
    whole = read_yaml(path)
    fields = whole.fields(("format", "play", "node", "golden", "judge"))
    if "format" not in fields:
        raise whole.refused(f"expected format: {FORMAT}, got a file that does not say its format")
    if fields["format"].value != FORMAT:
        raise fields["format"].wrong(f"format {FORMAT}")
    base = path.parent
    play = _play(fields["play"], base) if "play" in fields else Playing()
    if "node" in fields:
        play = _with_node(play, fields["node"], base)
    golden = fields["golden"].path(base) if "golden" in fields else base / f"{path.stem}_golden"
    judging = _judging(fields["judge"]) if "judge" in fields else Judging()
    return Expectation(path, play, golden, judging)


def _play(entry: YamlEntry, base: Path) -> Playing:
    fields = entry.fields(_PLAY)
    return Playing(
        cameras=_cameras(fields["cameras"]) if "cameras" in fields else {},
        rate=_rate(fields["pace"]) if "pace" in fields else None,
        loops=_of(fields, "loops", lambda e: e.whole(1), 1),
        clock=_of(fields, "clock", YamlEntry.yes_or_no, False),
        repeat_stamps=_of(fields, "repeat_stamps", YamlEntry.yes_or_no, False),
        only_every=_of(fields, "only_every", lambda e: e.whole(1), 1),
        cues=_cues(fields["prompts"], base) if "prompts" in fields else (),
    )


def _cameras(entry: YamlEntry) -> dict[str, str]:
    fields = entry.fields()
    topics = {name: _camera_topic(name, topic) for name, topic in fields.items()}
    if len(set(topics.values())) < len(topics):
        raise entry.refused("two cameras have one topic")
    return topics


def _camera_topic(name: str, topic: YamlEntry) -> str:
    try:
        Camera(name)
    except CameraNameError as error:
        raise topic.refused(str(error)) from error
    return topic.text("a topic of images in the bag")


def _rate(entry: YamlEntry) -> float | None:
    value = entry.value
    if value == "answered":
        return None
    if value == "recorded":
        return 1.0
    if isinstance(value, str) or (isinstance(value, (int, float)) and value <= 0):
        raise entry.wrong(_PACES)
    return entry.number(0)


def _cues(entry: YamlEntry, base: Path) -> tuple[PromptCue, ...]:
    if entry.is_list:
        return tuple(_cue(item) for item in entry.items())
    try:
        return read_prompt_file(entry.path(base))
    except PromptError as error:
        raise entry.refused(str(error)) from error


def _cue(entry: YamlEntry) -> PromptCue:
    try:
        return prompt_of(entry.value)
    except PromptError as error:
        raise entry.refused(str(error)) from error


def _with_node(play: Playing, entry: YamlEntry, base: Path) -> Playing:
    own = ("bundle", "backend", "precision", "threads")
    fields = entry.fields((*own, "params_file", "parameters"))
    parameters = {name: _parameter(fields[name], base) for name in own if name in fields}
    if "parameters" in fields:
        known = {spec.name for spec in SPECS} | {"use_sim_time"}
        for name, value in fields["parameters"].fields(sorted(known)).items():
            parameters[name] = _parameter(value, base)
    file = fields["params_file"].path(base) if "params_file" in fields else None
    return replace(play, parameters=tuple(parameters.items()), params_file=file)


def _parameter(entry: YamlEntry, base: Path) -> str:
    """As `-p` takes it. A bundle's folder is relative to the file."""
    value = entry.value
    if isinstance(value, str):
        is_folder = entry.key.endswith("bundle") and (base / value).is_dir()
        return str((base / value).resolve()) if is_folder else value
    if isinstance(value, (bool, int, float, list)):
        return json.dumps(value)
    raise entry.wrong("a parameter's value")


def _judging(entry: YamlEntry) -> Judging:
    fields = entry.fields(("every", *_TOLERANCE, "prompts", "limits"))
    common = _tolerance(fields, Tolerance())
    prompts = fields["prompts"].fields() if "prompts" in fields else {}
    return Judging(
        every=_of(fields, "every", lambda e: e.whole(1), 1),
        tolerance=common,
        prompts={
            prompt_id: _tolerance(one.fields(_TOLERANCE), common)
            for prompt_id, one in prompts.items()
        },
        limits=_limits(fields["limits"]) if "limits" in fields else Limits(),
    )


def _tolerance(fields: Fields, default: Tolerance) -> Tolerance:
    return Tolerance(
        least_iou=_of(fields, "least_iou", lambda e: e.number(0, 1), default.least_iou),
        score_difference=_of(
            fields, "score_difference", lambda e: e.number(0, 1), default.score_difference
        ),
        missing_segments=_of(fields, "missing_segments", YamlEntry.whole, default.missing_segments),
        extra_segments=_of(fields, "extra_segments", YamlEntry.whole, default.extra_segments),
        label_values=_of(fields, "label_values", YamlEntry.yes_or_no, default.label_values),
    )


def _limits(entry: YamlEntry) -> Limits:
    fields = entry.fields(_LIMITS)
    reasons = [reason.value for reason in DropReason]
    dropped = fields["dropped"].fields(reasons) if "dropped" in fields else {}
    return Limits(
        dropped={reason: limit.whole() for reason, limit in dropped.items()},
        lost=_of(fields, "lost", YamlEntry.whole, None),
        missing_frames=_of(fields, "missing_frames", YamlEntry.whole, 0),
        extra_frames=_of(fields, "extra_frames", YamlEntry.whole, 0),
        latency_p50_ms=_of(fields, "latency_p50_ms", lambda e: e.number(0), None),
        latency_p95_ms=_of(fields, "latency_p95_ms", lambda e: e.number(0), None),
    )


def _of(fields: Fields, name: str, read: Callable[[YamlEntry], Any], default: Any) -> Any:
    return read(fields[name]) if name in fields else default
