"""The demo: replays a bag that has ground truth with prompts that are made from it.

Texts that change are asked of every camera. On the first camera, one object is clicked on once
and followed to the end; for a while, another is clicked on and a third boxed in every image, each
at its true place. If an object is hidden there for a while, a text that names it alone is tracked.
On each further camera an object is clicked on for a while. Each click names its image by the
stamp.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from sam3_ros.core.segmenter.masks import inmost_point
from sam3_ros.replay.ask.cues import BoxCue, On, PointCue, PromptCue, TextCue
from sam3_ros.replay.ask.depth import has_depth_beside
from sam3_ros.replay.ask.settings import (
    BESIDE_IMAGES,
    CameraSource,
    NodeSettings,
    ReplayError,
    ReplaySettings,
)
from sam3_ros.replay.bag.bag import Bag, open_bag
from sam3_ros.replay.bag.image_times import ImageTimes, read_image_times
from sam3_ros.replay.bag.truth import Mask, Truth, read_truth, truth_topic
from sam3_ros.replay.play.schedule import OnProgress
from sam3_ros.replay.replay import replay
from sam3_ros.replay.report.report import ReplayReport
from sam3_ros.ros.launching.dds import keep_to_this_machine
from sam3_ros.tabletop_words import COLOURS, IRREGULAR_PLURALS, SHAPES

# Fractions of the bag's length. The last text names something that is not there.
_SECOND_TEXT, _THIRD_TEXT, _FIRST_TEXT_AGAIN, _ABSENT_TEXT = 0.2, 0.4, 0.58, 0.9
_TRACK, _FOLLOW, _SIDE_CLICK, _CLICK, _BOX = 0.05, 0.1, (0.45, 0.57), (0.60, 0.72), (0.75, 0.87)
_LEAST_PIXELS = 150


@dataclass(frozen=True, eq=False)
class DemoCamera:
    """A camera with ground truth."""

    #: Empty for the only camera.
    name: str
    truth: Truth
    times: ImageTimes

    def frames(self, begin: float = 0.0, end: float = 1.0) -> list[tuple[float, int]]:
        """Return time, s, and stamp, ns, of the images with ground truth in a part of the bag."""
        known = [
            (at, stamp)
            for at, stamp in zip(self.times.at, self.times.stamps_ns, strict=True)
            if stamp in self.truth.labels
        ]
        first, seconds = known[0][0], known[-1][0] - known[0][0]
        return [f for f in known if begin * seconds <= f[0] - first <= end * seconds]

    def in_view(self) -> list[int]:
        """Return the objects that are always in view, the one with the largest least area first."""
        return _by_least_area(self.truth, [stamp for _, stamp in self.frames()])

    def hidden_for_a_while(self) -> list[int]:
        """Return the objects that are in view at the beginning and at the end, and once not."""
        areas = np.array(
            [
                np.bincount(self.truth.labels[stamp].ravel(), minlength=256)
                for _, stamp in self.frames()
            ]
        )
        ends = np.minimum(areas[0], areas[-1])
        return [n for n in self.truth.objects if ends[n] >= _LEAST_PIXELS and not areas[:, n].all()]


def demo_script(cameras: Sequence[DemoCamera]) -> tuple[PromptCue, ...]:
    """Return the cues in time order. Raises ReplayError unless three objects are always in view."""
    first, *others = cameras
    in_view = first.in_view()
    if len(in_view) < 3:
        raise ReplayError(
            f"expected three objects or more that are always in view, got {len(in_view)}: "
            "the demo needs a bag such as the one that is shipped"
        )
    texts = _texts(first, in_view)
    followed, clicked, boxed = _three_objects(first.truth, in_view, texts)
    cues: list[PromptCue] = [*texts, _follow(first, followed)]
    cues += _tracked(first)
    cues += _clicks(first, clicked, _CLICK)
    cues += _boxes(first, boxed, _BOX)
    for camera in others:
        for number in camera.in_view()[:1]:
            cues += _clicks(camera, number, _SIDE_CLICK)
    return tuple(sorted(cues, key=lambda cue: cue.at))


def _texts(camera: DemoCamera, in_view: Sequence[int]) -> list[TextCue]:
    truth, frames = camera.truth, camera.frames()
    first = str(truth.objects[in_view[0]])
    begin, seconds = frames[0][0], frames[-1][0] - frames[0][0]
    texts = (
        (0.0, first),
        (_SECOND_TEXT, f"the {_commonest_shape(truth)}"),
        (_THIRD_TEXT, f"{first}; {_another_colour(truth, in_view)} thing"),
        (_FIRST_TEXT_AGAIN, first),
        (_ABSENT_TEXT, _absent(truth)),
    )
    return [TextCue(begin + part * seconds, text) for part, text in texts]


def _three_objects(
    truth: Truth, in_view: Sequence[int], texts: Sequence[TextCue]
) -> tuple[int, int, int]:
    """Choose the objects to follow, to click on and to box.

    As far as possible none that a text names at the time: the label image has one prompt a pixel.
    """
    named = {n for text in texts for p in text.phrases for n in truth.named_by(p) or ()}
    followed = next((n for n in in_view if n not in named), in_view[-1])
    of_first_text = truth.named_by(texts[0].text) or frozenset()
    rest = [n for n in in_view if n != followed]
    clicked, boxed = sorted(rest, key=lambda number: number in of_first_text)[:2]
    return followed, clicked, boxed


def _follow(camera: DemoCamera, number: int) -> PointCue:
    """Return the one click on the object that is followed."""
    at, stamp = camera.frames(_FOLLOW)[0]
    x, y = inmost_point(camera.truth.labels[stamp] == number)
    return PointCue(at, x, y, camera.name, tracking=True)


def _tracked(camera: DemoCamera) -> Iterator[TextCue]:
    """Yield a text for an object that is out of sight for a while, if there is one."""
    for number in camera.hidden_for_a_while():
        phrase = str(camera.truth.objects[number])
        if camera.truth.named_by(phrase) == frozenset([number]):
            at, _ = camera.frames(_TRACK)[0]
            yield TextCue(at, phrase, camera.name, tracking=True)
            return


def _clicks(camera: DemoCamera, number: int, part: tuple[float, float]) -> Iterator[PointCue]:
    for at, mask in _in_view(camera, number, part):
        yield PointCue(at, *inmost_point(mask), camera.name)


def _boxes(camera: DemoCamera, number: int, part: tuple[float, float]) -> Iterator[BoxCue]:
    for at, mask in _in_view(camera, number, part):
        x, y, width, height = map(int, cv2.boundingRect(mask.astype(np.uint8)))
        yield BoxCue(at, x, y, x + width, y + height, camera.name, on=On.IMAGE)


def _in_view(
    camera: DemoCamera, number: int, part: tuple[float, float]
) -> Iterator[tuple[float, Mask]]:
    for at, stamp in camera.frames(*part):
        mask = camera.truth.labels[stamp] == number
        if np.count_nonzero(mask) >= _LEAST_PIXELS:
            yield at, mask


def _by_least_area(truth: Truth, stamps: Sequence[int]) -> list[int]:
    """Return the objects that stay in view, the one with the largest least area first."""
    least: dict[int, int] = {}
    for stamp in stamps:
        areas = np.bincount(truth.labels[stamp].ravel(), minlength=256)
        for number in truth.objects:
            least[number] = min(int(areas[number]), least.get(number, 2**31))
    seen = [number for number, area in least.items() if area >= _LEAST_PIXELS]
    return sorted(seen, key=lambda number: -least[number])


def _another_colour(truth: Truth, largest: Sequence[int]) -> str:
    """Return another colour than the first object's: a label image has one prompt a pixel."""
    first, *others = (truth.objects[number].colour for number in largest)
    return next((colour for colour in others if colour != first), first)


def _commonest_shape(truth: Truth) -> str:
    """Return the commonest shape in the plural, by its first synonym if it has one."""
    shape, _ = Counter(o.shape for o in truth.objects.values()).most_common(1)[0]
    noun = next(iter(SHAPES.get(shape, ())), shape)
    return IRREGULAR_PLURALS.get(noun, f"{noun}s")


def _absent(truth: Truth) -> str:
    """Return a colour and a shape that no object has together, of a colour that others have."""
    present = {(o.colour, o.shape) for o in truth.objects.values()}
    colours = [c for c in COLOURS if any(c == colour for colour, _ in present)] or list(COLOURS)
    return next(f"{c} {s}" for c, s in product(colours, SHAPES) if (c, s) not in present)


def demo(
    bag_path: Path,
    out: Path,
    node_parameters: tuple[tuple[str, str], ...],
    domain_id: int,
    rate: float | None,
    progress: OnProgress,
    *,
    force: bool = False,
) -> ReplayReport:
    """Replay a bag that has ground truth and leave the pictures in a folder.

    rate, force: as in ReplaySettings. Raises what replay() raises.
    """
    with open_bag(bag_path) as bag:
        sources = _cameras(bag)
        cues = demo_script([_known(bag, source) for source in sources])
    keep_to_this_machine(os.environ)
    settings = ReplaySettings(
        bag_path,
        cues,
        rate=rate,
        cameras=sources,
        node=NodeSettings(parameters=node_parameters),
        out=out,
        force=force,
        domain_id=domain_id,
    )
    return replay(settings, progress)


def _cameras(bag: Bag) -> tuple[CameraSource, ...]:
    """Return the cameras with ground truth, named after their topics; one alone has no name."""
    topics = [t for t in bag.camera_topics if truth_topic(bag, t) is not None]
    if not topics:
        raise ReplayError(f"{bag.path} has no ground truth to place clicks by: use sam3-ros replay")
    depths = [BESIDE_IMAGES if has_depth_beside(bag, topic) else None for topic in topics]
    names = [""] if len(topics) == 1 else [topic.split("/")[1] for topic in topics]
    return tuple(
        CameraSource(name, topic, depth=depth)
        for name, topic, depth in zip(names, topics, depths, strict=True)
    )


def _known(bag: Bag, source: CameraSource) -> DemoCamera:
    assert source.topic is not None
    truth = read_truth(bag, source.topic)
    assert truth is not None
    return DemoCamera(source.name, truth, read_image_times(bag, source.topic))
