"""What a replay is compared with: golden frames, tolerances and limits, read from YAML.

One file of `sam3-ros replay --expect` is one test; docs/replay.md lists the keys.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sam3_ros.core.checked_yaml import Document, DocumentKind, read_document
from sam3_ros.core.errors import PromptError, Sam3RosError
from sam3_ros.replay.ask.cues import PromptCue
from sam3_ros.replay.ask.parsing import cues_of, read_prompt_file
from sam3_ros.ros.cameras import Camera, CameraNameError
from sam3_ros.ros.frames.ledger import DropReason
from sam3_ros.ros.parameters.specs import SPECS

FORMAT = 1
# Parameters of the node with a key of their own.
_NODE_KEYS = ("bundle", "backend", "precision", "threads")


class ExpectationError(Sam3RosError):
    """An expectation that cannot be read, or that asks for the impossible."""


_EXPECTATION = DocumentKind(
    "the expectation",
    Path(__file__).with_name("expectation.json"),
    ExpectationError,
    format=FORMAT,
    outdated="write it in that format; docs/replay.md lists the keys",
)


@dataclass(frozen=True)
class Tolerance:
    """How far an answer may be from the golden one."""

    #: Of the masks of a prompt in a frame. Processors differ in single pixels along edges.
    least_iou: float = 0.95
    #: Of a segment, 0..1.
    score_difference: float = 0.05
    #: Of a prompt over the replay of a camera.
    missing_segments: int = 0
    #: Of a prompt over the replay of a camera.
    extra_segments: int = 0
    #: Whether the values in the label images must be the same.
    label_values: bool = True
    #: Whether objects must have golden's track ids, whatever the numbers: what is one id in golden
    #: is one id here, and the other way round. What has none in golden may have one.
    track_ids: bool = True
    #: Of all objects of a prompt in one loop; 1: its object keeps one id. None: any number.
    most_ids: int | None = None
    #: How often a true object may get another id. None: as often as it likes.
    id_switches: int | None = None
    #: How often an object must come back into view and have its id again, at least.
    found_again: int | None = None
    #: How far the centre of an object may be from the true one in any image, m. None: any.
    centre_m: float | None = None

    @property
    def needs_tracks(self) -> bool:
        """Whether the prompt must be tracked."""
        return any(n is not None for n in (self.most_ids, self.id_switches, self.found_again))


@dataclass(frozen=True)
class Limits:
    """Limits for a whole replay; None sets none."""

    #: Frames by reason, in the words of /diagnostics.
    dropped: Mapping[str, int] = field(default_factory=dict)
    #: Images and masks lost in transport.
    lost: int | None = None
    #: Answers that only golden has.
    missing_frames: int = 0
    #: Answers that only this replay has.
    extra_frames: int = 0
    #: Camera to mask, ms. Only for a dedicated machine: on a shared one timing means nothing.
    latency_p50_ms: float | None = None
    #: Likewise.
    latency_p95_ms: float | None = None
    #: Of all prompts, by the bag's ground truth.
    id_switches: int | None = None
    #: How far centres may be from the true ones, m, in images with depth.
    centre_p50_m: float | None = None
    #: Likewise.
    centre_p95_m: float | None = None
    #: How often an object may be found in an image with depth and have no place.
    without_place: int | None = None

    @property
    def needs_places(self) -> bool:
        """Whether what is found must be compared with true places."""
        limits = (self.centre_p50_m, self.centre_p95_m, self.without_place)
        return any(limit is not None for limit in limits)


@dataclass(frozen=True)
class Judging:
    """Which frames are compared, and how strictly."""

    #: Of each camera's images, only numbers 1, 1 + every, 1 + 2 * every... are compared.
    every: int = 1
    tolerance: Tolerance = Tolerance()
    #: Tolerances that differ, by prompt id.
    prompts: Mapping[str, Tolerance] = field(default_factory=dict)
    limits: Limits = Limits()

    def tolerance_of(self, prompt_id: str) -> Tolerance:
        return self.prompts.get(prompt_id, self.tolerance)


@dataclass(frozen=True)
class Playing:
    """How the bag is played and by which node; the fields are as in ReplaySettings."""

    #: Name to topic of the bag; empty for the bag's only camera.
    cameras: Mapping[str, str] = field(default_factory=dict)
    rate: float | None = None
    loops: int = 1
    clock: bool = False
    repeat_stamps: bool = False
    only_every: int = 1
    #: The bag's topics of depth, by camera. Empty: those beside the images; None: no depth.
    depth: Mapping[str, str] | None = None
    cues: tuple[PromptCue, ...] = ()
    #: Of the node, as `-p` takes them.
    parameters: tuple[tuple[str, str], ...] = ()
    params_file: Path | None = None


@dataclass(frozen=True)
class Expectation:
    """One test: what is played, and what it is compared with."""

    path: Path
    play: Playing
    #: A folder.
    golden: Path
    judging: Judging


def read_expectation(path: Path) -> Expectation:
    """Read the file. Raises ExpectationError with the place in the file."""
    document = read_document(path, _EXPECTATION)
    whole, base = document.value, path.parent
    play = Playing()
    if "play" in whole:
        play = _play(document, base)
    if "node" in whole:
        play = _with_node(play, document, base)
    return Expectation(
        path,
        play,
        golden=base / whole.get("golden", f"{path.stem}_golden"),
        judging=_judging(document) if "judge" in whole else Judging(),
    )


def _play(document: Document, base: Path) -> Playing:
    found = dict(document.value["play"])
    cues = _cues(document, base) if "prompts" in found else ()
    pace = found.get("pace", "answered")
    rates = {"answered": None, "recorded": 1.0}
    return Playing(
        cameras=_cameras(document) if "cameras" in found else {},
        rate=rates[pace] if isinstance(pace, str) else float(pace),
        loops=int(found.get("loops", 1)),
        clock=found.get("clock", False),
        repeat_stamps=found.get("repeat_stamps", False),
        only_every=int(found.get("only_every", 1)),
        depth=_depth(document),
        cues=cues,
    )


def _cameras(document: Document) -> dict[str, str]:
    topics: dict[str, str] = document.value["play"]["cameras"]
    for name in topics:
        _require_camera_name(document, name)
    if len(set(topics.values())) < len(topics):
        raise document.error(("play", "cameras"), "two cameras have one topic")
    return topics


def _depth(document: Document) -> dict[str, str] | None:
    """Return the topics of depth by camera: none for `true`, where they are to be found."""
    play = document.value["play"]
    asked = play.get("depth", False)
    if isinstance(asked, bool):
        return {} if asked else None
    names = play.get("cameras") or {"": ""}
    _require_known(document, ("play", "depth"), asked, sorted(names))
    return dict(asked) or None


def _require_camera_name(document: Document, name: str) -> None:
    try:
        Camera(name)
    except CameraNameError as error:
        raise document.error(("play", "cameras", name), str(error)) from error


def _cues(document: Document, base: Path) -> tuple[PromptCue, ...]:
    place = ("play", "prompts")
    prompts = document.value["play"]["prompts"]
    if isinstance(prompts, list):
        return cues_of(document, place)
    try:
        return read_prompt_file(base / prompts)
    except PromptError as error:
        raise document.error(place, str(error)) from error


def _with_node(play: Playing, document: Document, base: Path) -> Playing:
    found = document.value["node"]
    others = found.get("parameters", {})
    known = {spec.name for spec in SPECS} | {"use_sim_time"}
    _require_known(document, ("node", "parameters"), others, sorted(known))
    values = {name: found[name] for name in _NODE_KEYS if name in found} | others
    parameters = tuple((name, _parameter(name, value, base)) for name, value in values.items())
    file = found.get("params_file")
    return replace(play, parameters=parameters, params_file=None if file is None else base / file)


def _parameter(name: str, value: Any, base: Path) -> str:
    """Return a value in the form of `-p`. A bundle's folder is relative to the file."""
    if isinstance(value, str):
        is_folder = name == "bundle" and (base / value).is_dir()
        return str((base / value).resolve()) if is_folder else value
    return json.dumps(value)


def _judging(document: Document) -> Judging:
    found = dict(document.value["judge"])
    every = int(found.pop("every", 1))
    prompts, limits = found.pop("prompts", {}), found.pop("limits", {})
    reasons = [reason.value for reason in DropReason]
    _require_known(document, ("judge", "limits", "dropped"), limits.get("dropped", {}), reasons)
    common = Tolerance(**found)
    return Judging(
        every=every,
        tolerance=common,
        prompts={prompt_id: replace(common, **one) for prompt_id, one in prompts.items()},
        limits=Limits(**limits),
    )


def _require_known(
    document: Document, place: tuple[str, ...], keys: Collection[str], known: Collection[str]
) -> None:
    for key in keys:
        if key not in known:
            reason = f"expected the keys {', '.join(known)}; got the key {key!r}"
            raise document.error((*place, key), reason)
