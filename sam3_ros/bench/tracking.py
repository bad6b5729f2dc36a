"""Measures what a tracked image costs, by part, as objects and their memories grow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np

from sam3_ros.bench.growth import Growth, GrowthPoint, Image, Report, spiral
from sam3_ros.bench.measurement import WARM_UPS, Budget, step_time
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.order import derived_names
from sam3_ros.core.stages.tensor_names import IMAGE_INPUTS, RAW_IMAGE_INPUTS
from sam3_ros.core.timings import Timings
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.session import TrackingSession
from sam3_ros.core.tracking.settings import TrackingSettings

OBJECTS = (1, 2, 4, 8, 16)
#: What a tracked image's time consists of; all but the first grow with the objects.
IMAGE, ATTENTION, DECODER, ENCODER, MASKS, REST = (
    *("image", "attention", "decoder", "encoder", "masks", "rest"),
)
PARTS = (IMAGE, ATTENTION, DECODER, ENCODER, MASKS, REST)
_STEPS = {"preprocess": IMAGE, "postprocess": MASKS}
#: The objects' diameter, as a share of the image's shorter side.
_SHARE = 1 / 8


@dataclass(frozen=True)
class TrackingPoint(GrowthPoint):
    """The time of a tracked image with so many objects or memories."""

    #: Median ms of all cores together, which other work on the machine lengthens less.
    cpu_ms: float
    #: Median ms by part of PARTS. Of stages on a GPU that is until the host could go on.
    parts_ms: Mapping[str, float]
    #: Bytes that are kept of one object, on the host and on devices.
    object_bytes: int
    #: How many objects the last image was searched for.
    followed: int


@dataclass(frozen=True, eq=False)
class TrackedStep:
    """One tracked image."""

    #: End to end.
    seconds: float
    #: Of all threads of the process.
    cpu_seconds: float
    #: Seconds by part of PARTS.
    parts: Mapping[str, float]
    #: Seconds by stage and other step.
    steps: Mapping[str, float]


def require_objects(manifest: Manifest) -> None:
    """Raise Sam3RosError for a bundle that follows no object."""
    if manifest.interactive is None:
        raise Sam3RosError(
            f"{manifest.name} takes no clicks, so objects are found anew in every image: bench "
            "--growth has what that costs"
        )


def tracking_growths(
    segmenter: Segmenter, image: Image, budget: Budget, report: Report = lambda _: None
) -> Iterator[Growth]:
    """Yield the cost of a new image against objects and, where the bundle has them, memories.

    Objects are circles that are given as masks, and every image is the same. `report` gets a line
    before each measurement. Raises Sam3RosError for a bundle that follows no object.
    """
    require_objects(segmenter.bundle.manifest)
    most = most_memories(segmenter.bundle.manifest)
    how = f"with {most} memories each" if most else "by prompting again"
    cases: dict[tuple[str, str, str], list[TrackedObjects]] = {
        ("objects", f"so many objects on a new frame, {how}", "object"): [
            TrackedObjects(segmenter, image, count, most) for count in OBJECTS
        ]
    }
    if most:
        cases["memories", "one object with so many memories on a new frame", "memory"] = [
            TrackedObjects(segmenter, image, 1, memories) for memories in range(1, most + 1)
        ]
    for (key, title, item), counted in cases.items():
        points: list[TrackingPoint] = []
        for each in counted:
            amount = each.objects if key == "objects" else each.memories
            report(f"{key}: {amount}")
            # An image slower than the budget is not warmed up: the point before it did that.
            is_slow = bool(points) and points[-1].median_ms > 1000 * budget.seconds
            points.append(_point(each, amount, budget, warm_up=not is_slow))
        yield Growth(key, title, item, tuple(points))


def most_memories(manifest: Manifest) -> int:
    """Return how many an object of one prompt has in the end; 0 for a bundle without a memory."""
    return 0 if manifest.video is None else 1 + manifest.video.memories


class TrackedObjects:
    """Objects that are tracked through the same image over and over."""

    def __init__(self, segmenter: Segmenter, image: Image, objects: int, memories: int) -> None:
        """memories: of each, that of its prompt among them."""
        self.objects, self.memories = objects, memories
        self._segmenter, self._image = segmenter, image
        self._part_of = parts_of(segmenter.bundle.manifest)
        past = max(memories - 1, 1)
        self._settings = TrackingSettings(memory_frames=past, max_objects=objects, least_score=0)
        self._session: TrackingSession | None = None
        self.followed = 0
        #: What is kept of one object.
        self.object_bytes = 0

    def prepare(self) -> None:
        """Let every object be tracked and have its memories. To be called before each `step`."""
        is_ready = self._session is not None and len(self._session.tracks) == self.objects
        if is_ready and self.memories != 1:
            return
        self._session = session = self._segmenter.track(self._settings)
        first = self._segmenter.encode_image(self._image)
        for number, mask in enumerate(_circles(self._image, self.objects), 1):
            session.add(first, MaskPrompt(mask, id=f"object {number}"))
        for _ in range(self.memories - 1):
            session.step(self._segmenter.encode_image(self._image))
        self._weigh(session)

    def step(self) -> TrackedStep:
        """Track the objects through one more image."""
        assert self._session is not None
        start, cpu = perf_counter(), process_time()
        embedding = self._segmenter.encode_image(self._image)
        answer = self._session.step(embedding)
        seconds, cpu = perf_counter() - start, process_time() - cpu
        self.followed = len(answer.object_seconds)
        self._weigh(self._session)
        timings = Timings()
        timings.absorb(embedding.timings)
        timings.absorb(answer.timings)
        steps, parts = timings.as_dict(), dict.fromkeys(PARTS, 0.0)
        for name, took in steps.items():
            parts[self._part_of.get(name, REST)] += took
        parts[REST] = seconds - sum(took for part, took in parts.items() if part != REST)
        return TrackedStep(seconds, cpu, parts, steps)

    def _weigh(self, session: TrackingSession) -> None:
        if session.tracks:
            self.object_bytes = session.nbytes // len(session.tracks)


def parts_of(manifest: Manifest) -> dict[str, str]:
    """Return the part of PARTS to which each stage belongs, and each other step."""
    stages = manifest.stages
    given = {*IMAGE_INPUTS, *RAW_IMAGE_INPUTS}
    of_image = derived_names(stages.values(), given) | given
    found = dict(_STEPS)
    for name, stage in stages.items():
        if of_image.issuperset(stage.inputs):
            found[name] = IMAGE
        elif "tracked_embed" in stage.outputs:
            found[name] = ATTENTION
        else:
            found[name] = ENCODER if "mask_memory" in stage.outputs else DECODER
    return found


def measure_steps(objects: TrackedObjects, budget: Budget, *, warm_up: bool) -> list[TrackedStep]:
    """Track the objects through images as the budget allows, with warm_up after some uncounted."""
    warm_ups = max(min(WARM_UPS, budget.repeats), budget.least_warm_ups) if warm_up else 0
    for number in range(warm_ups):
        objects.prepare()
        took = objects.step().seconds
        if took > budget.seconds / 10 and number + 1 >= budget.least_warm_ups:
            break
    steps: list[TrackedStep] = []
    while budget.allows(len(steps), sum(step.seconds for step in steps)):
        objects.prepare()
        steps.append(objects.step())
    return steps


def _point(objects: TrackedObjects, amount: int, budget: Budget, *, warm_up: bool) -> TrackingPoint:
    steps = measure_steps(objects, budget, warm_up=warm_up)
    whole = step_time([step.seconds for step in steps])
    parts = {part: step_time([step.parts[part] for step in steps]).median_ms for part in PARTS}
    return TrackingPoint(
        str(amount),
        amount,
        whole.median_ms,
        whole.p95_ms,
        len(steps),
        step_time([step.cpu_seconds for step in steps]).median_ms,
        parts,
        objects.object_bytes,
        objects.followed,
    )


def _circles(image: Image, count: int) -> Iterator[np.ndarray]:
    """Yield masks bool [H,W] of circles that are spread over the middle of the image."""
    height, width = image.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    radius = max(1.0, min(height, width) * _SHARE / 2)
    for x, y in spiral(image, count):
        yield np.hypot(rows - y, columns - x) <= radius
