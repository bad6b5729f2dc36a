"""What a replay is held against: golden frames, how far from them is still right, and limits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from sam3_ros.core.errors import PromptError, Sam3RosError
from sam3_ros.replay.ask.cues import PromptCue
from sam3_ros.replay.ask.parsing import prompt_of, read_prompt_file
from sam3_ros.ros.cameras import Camera, CameraNameError
from sam3_ros.ros.frames.ledger import DropReason
from sam3_ros.ros.parameters.parameters import SPECS


@dataclass(frozen=True)
class Tolerance:
    """How far an answer may be from the golden one.

    least_iou: of the masks of a prompt in a frame; what differs between processors are single
    pixels of an edge. score_difference: of a segment, 0..1. missing_segments, extra_segments:
    of a prompt over the replay of a camera. label_values: whether they must be the same.
    """

    least_iou: float = 0.95
    score_difference: float = 0.05
    missing_segments: int = 0
    extra_segments: int = 0
    label_values: bool = True


@dataclass(frozen=True)
class Limits:
    """None sets no limit.

    dropped: by reason, as /diagnostics names it. lost: images and masks on their way. missing,
    extra_frames: answers that only golden, or only this replay has. Latencies: ms, camera to mask;
    for a machine of its own, since timing says nothing on one that is shared.
    """

    dropped: Mapping[str, int] = field(default_factory=dict)
    lost: int | None = None
    missing_frames: int = 0
    extra_frames: int = 0
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None


@dataclass(frozen=True)
class Judging:
    """every: of each camera's images, only the first, the 1 + every-th and so on are judged.

    prompts: tolerances that differ, by prompt id.
    """

    every: int = 1
    tolerance: Tolerance = Tolerance()
    prompts: Mapping[str, Tolerance] = field(default_factory=dict)
    limits: Limits = Limits()

    def tolerance_of(self, prompt_id: str) -> Tolerance:
        return self.prompts.get(prompt_id, self.tolerance)


@dataclass(frozen=True)
class Playing:
    """How the bag is played and by which node.

    As in ReplaySettings. cameras: name to topic of the bag, empty for the bag's only one.
    parameters: of the node, as `-p` takes them.
    """

    cameras: Mapping[str, str] = field(default_factory=dict)
    rate: float | None = None
    loops: int = 1
    clock: bool = False
    repeat_stamps: bool = False
    only_every: int = 1
    cues: tuple[PromptCue, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    params_file: Path | None = None


@dataclass(frozen=True)
class Expectation:
    """One test: what is played, and what it is held against. golden: a folder."""

    path: Path
    play: Playing
    golden: Path
    judging: Judging


class ExpectationError(Sam3RosError):
    """An expectation that cannot be read, or that asks for what cannot be."""


class YamlEntry:
    """A value of the file, with its place for the errors; all methods raise ExpectationError."""

    def __init__(self, path: Path, node: yaml.Node, key: str) -> None:
        """key: where it stands, such as judge.limits.lost; empty for the whole file."""
        self._path = path
        self._node = node
        self.key = key

    @property
    def value(self) -> Any:
        """As yaml.safe_load gives it."""
        try:
            return yaml.SafeLoader("").construct_document(self._node)
        except yaml.YAMLError as error:
            raise self.wrong("what YAML can mean") from error

    def wrong(self, expected: str) -> ExpectationError:
        """To be raised for a value that is not what was expected."""
        said = self._node.value if isinstance(self._node, yaml.ScalarNode) else self.kind
        return self.refused(f"expected {expected}, got {said!r}")

    def refused(self, reason: str) -> ExpectationError:
        """To be raised for a value that is refused for another reason."""
        where = f"{self._path}, line {self._node.start_mark.line + 1}"
        return ExpectationError(
            f"{where}, {self.key}: {reason}" if self.key else f"{where}: {reason}"
        )

    @property
    def kind(self) -> str:
        kinds = {yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list"}
        return kinds.get(type(self._node), "a single value")

    def fields(self, known: Collection[str] | None = None) -> dict[str, YamlEntry]:
        """The entries of a mapping, each once. known: the keys that it may have, None for any."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.wrong(f"a mapping of {', '.join(known)}" if known else "a mapping")
        found: dict[str, YamlEntry] = {}
        for key_node, value_node in self._node.value:
            name = str(key_node.value)
            place = f"{self.key}.{name}" if self.key else name
            if known is not None and name not in known:
                unknown = YamlEntry(self._path, key_node, self.key)
                raise unknown.refused(f"expected one of {', '.join(known)}, got the key {name!r}")
            if name in found:
                raise YamlEntry(self._path, key_node, place).refused("this key is there twice")
            found[name] = YamlEntry(self._path, value_node, place)
        return found

    def items(self) -> list[YamlEntry]:
        """The entries of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.wrong("a list")
        return [
            YamlEntry(self._path, node, f"{self.key}[{number}]")
            for number, node in enumerate(self._node.value, start=1)
        ]

    @property
    def is_list(self) -> bool:
        return isinstance(self._node, yaml.SequenceNode)

    def text(self, what: str = "a text") -> str:
        value = self.value
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(what)
        return value

    def path(self, base: Path) -> Path:
        """Relative to a folder, unless it is absolute."""
        return base / self.text("a path")

    def whole(self, least: int = 0) -> int:
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.wrong(f"a whole number of {least} or more")
        return value

    def number(self, least: float, most: float = math.inf) -> float:
        value = self.value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and least <= value <= most):
            limits = f"of {least:g} or more" if math.isinf(most) else f"in {least:g}..{most:g}"
            raise self.wrong(f"a number {limits}")
        return float(value)

    def yes_or_no(self) -> bool:
        value = self.value
        if not isinstance(value, bool):
            raise self.wrong("true or false")
        return value


def read_yaml(path: Path) -> YamlEntry:
    """The whole file as one entry. Raises ExpectationError."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError as error:
        raise ExpectationError(f"there is no expectation {path}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ExpectationError(f"cannot read {path}: {error}") from error
    if node is None:
        raise ExpectationError(f"{path} is empty")
    return YamlEntry(path, node, "")


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
