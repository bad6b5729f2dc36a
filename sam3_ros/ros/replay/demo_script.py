"""What the demo asks of a bag that knows its truth: texts that change, clicks, boxes.

Clicks and boxes are repeated with every image for a while, each on the object's true place in
that image, as somebody would who follows it with the mouse; so one can see them in the video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

import cv2
import numpy as np

from sam3_ros.core.geometry import inmost_point
from sam3_ros.core.tabletop_vocabulary import COLOURS, IRREGULAR_PLURALS, SHAPES
from sam3_ros.ros.replay.prompt_cues import BoxCue, PointCue, PromptCue, TextCue
from sam3_ros.ros.replay.schedule import ImageTimes
from sam3_ros.ros.replay.settings import ReplayError
from sam3_ros.ros.replay.truth import Mask, Truth

# Parts of the bag's length. The last text is for something that is not there.
_SECOND_TEXT, _THIRD_TEXT, _FIRST_TEXT_AGAIN, _ABSENT_TEXT = 0.2, 0.4, 0.58, 0.9
_CLICK, _BOX = (0.60, 0.72), (0.75, 0.87)
# Before its image, so that the node has the click first.
_LEAD_SECONDS = 0.02
_LEAST_PIXELS = 150


def demo_script(truth: Truth, times: ImageTimes) -> tuple[PromptCue, ...]:
    """The cues in time order. Raises ReplayError for a bag without three objects to ask for."""
    frames = [
        (at, stamp)
        for at, stamp in zip(times.at, times.stamps_ns, strict=True)
        if stamp in truth.labels
    ]
    largest = _by_least_area(truth, [stamp for _, stamp in frames])
    if len(largest) < 3:
        raise ReplayError(
            f"expected three objects in view all the time or more, got {len(largest)}: "
            "the demo needs a bag such as the one that comes with it"
        )
    begin, seconds = frames[0][0], frames[-1][0] - frames[0][0]
    first = str(truth.objects[largest[0]])
    others = [n for n in largest if n not in (truth.named_by(first) or ())]
    clicked, boxed = (others + largest)[:2]
    texts = (
        (0.0, first),
        (_SECOND_TEXT, f"the {_commonest_shape(truth)}"),
        (_THIRD_TEXT, f"{first}; {_another_colour(truth, largest)} thing"),
        (_FIRST_TEXT_AGAIN, first),
        (_ABSENT_TEXT, _absent(truth)),
    )
    cues: list[PromptCue] = [TextCue(begin + part * seconds, text) for part, text in texts]
    for number, (since, until), cue_on in ((clicked, _CLICK, _click), (boxed, _BOX, _box)):
        part = [f for f in frames if since <= (f[0] - begin) / seconds <= until]
        for at, mask in _in_view(truth, number, part):
            cues.append(cue_on(max(at - _LEAD_SECONDS, 0.0), mask))
    return tuple(sorted(cues, key=lambda cue: cue.at))


def _click(at: float, mask: Mask) -> PointCue:
    return PointCue(at, *inmost_point(mask))


def _box(at: float, mask: Mask) -> BoxCue:
    return BoxCue(at, *map(int, cv2.boundingRect(mask.astype(np.uint8))))


def _in_view(
    truth: Truth, number: int, frames: Sequence[tuple[float, int]]
) -> Iterator[tuple[float, Mask]]:
    for at, stamp in frames:
        mask = truth.labels[stamp] == number
        if np.count_nonzero(mask) >= _LEAST_PIXELS:
            yield at, mask


def _by_least_area(truth: Truth, stamps: Sequence[int]) -> list[int]:
    """The objects that stay in view, first the one whose smallest view is the largest."""
    least: dict[int, int] = {}
    for stamp in stamps:
        areas = np.bincount(truth.labels[stamp].ravel(), minlength=256)
        for number in truth.objects:
            least[number] = min(int(areas[number]), least.get(number, 2**31))
    seen = [number for number, area in least.items() if area >= _LEAST_PIXELS]
    return sorted(seen, key=lambda number: -least[number])


def _another_colour(truth: Truth, largest: Sequence[int]) -> str:
    """Than the first object's, for a label image shows but one prompt of a pixel."""
    first, *others = (truth.objects[number].colour for number in largest)
    return next((colour for colour in others if colour != first), first)


def _commonest_shape(truth: Truth) -> str:
    """In the plural, and by its first synonym if it has one."""
    shape, _ = Counter(o.shape for o in truth.objects.values()).most_common(1)[0]
    noun = next(iter(SHAPES.get(shape, ())), shape)
    return IRREGULAR_PLURALS.get(noun, f"{noun}s")


def _absent(truth: Truth) -> str:
    """A colour and a shape that no object has together; of a colour that others have."""
    present = {(o.colour, o.shape) for o in truth.objects.values()}
    colours = [c for c in COLOURS if any(c == colour for colour, _ in present)] or list(COLOURS)
    return next(f"{c} {s}" for c, s in product(colours, SHAPES) if (c, s) not in present)
