"""Training batches: views of scenes with phrases, exemplars and clicks, as tensors.

Above 300 lines: a batch is described beside each step that fills a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from sam3_ros.training.tabletop import phrases
from sam3_ros.training.tabletop.dataset import HEIGHT, WIDTH, Sample, SceneFiles, random_view
from sam3_ros.training.tabletop.world import FIRST_CLUTTER_ID, MAX_OBJECTS

PROMPTS, CLICKS, EXEMPLARS, POINTS, PHRASES = 2, 2, 2, 5, 8
PADDING = -1
MEAN, STD = 0.5, 0.25
#: Share of the absent phrases that have a colour or a shape of the scene: more than are evaluated.
NEAR_MISSES = 0.8
#: Share of the clicks that are on the bare table and have no answer.
ON_NOTHING = 0.16


def _no_tensor() -> Tensor:
    return torch.empty(0)


@dataclass(frozen=True, eq=False)
class Batch:
    """B images with P prompts and C clicks each, flattened to [B*P, ...] and [B*C, ...].

    Boxes are cxcywh in [0,1], N is MAX_OBJECTS. What there is none of has empty tensors.
    """

    #: float32 [B,3,240,320]
    pixel_values: Tensor
    #: uint8 [B,480,640]: number of the object in each pixel, 0 for none.
    labels: Tensor
    #: int64 [B,N,2]: colour and shape, -1 where there is no object.
    objects: Tensor
    #: bool [B,N]: enough of the object is in view.
    visible: Tensor
    #: bool [B,N]: there, but hardly seen; neither right nor wrong to find.
    ignored: Tensor
    #: float32 [B,N,4]
    boxes: Tensor
    #: float32 [B,N,2]: centroids of the masks, in [0,1].
    centres: Tensor
    #: int64 [B*P,L]
    input_ids: Tensor = field(default_factory=_no_tensor)
    #: bool [B*P,N]: the objects that the phrase names.
    matches: Tensor = field(default_factory=_no_tensor)
    #: float32 [B*P,EXEMPLARS,4]
    exemplars: Tensor = field(default_factory=_no_tensor)
    #: int64 [B*P,EXEMPLARS]: 1 positive, 0 negative.
    exemplar_labels: Tensor = field(default_factory=_no_tensor)
    #: bool [B*P,EXEMPLARS]: the box is there.
    exemplar_mask: Tensor = field(default_factory=_no_tensor)
    #: int64 [B*PHRASES,L]: phrases to learn the meaning of, whatever the image.
    phrases: Tensor = field(default_factory=_no_tensor)
    #: int64 [B*PHRASES,2]: class of colour and shape of each.
    meanings: Tensor = field(default_factory=_no_tensor)
    #: float32 [B*C,POINTS,2]: pixels of the 320x240 input.
    points: Tensor = field(default_factory=_no_tensor)
    #: int64 [B*C,POINTS]: PADDING, 0 negative, 1 positive, 2 and 3 corners of a box.
    point_labels: Tensor = field(default_factory=_no_tensor)
    #: int64 [B*C]: number of the object that is meant, 0 for none.
    targets: Tensor = field(default_factory=_no_tensor)
    #: float32 [B*C,1,120,160]: logits of a former mask.
    mask_input: Tensor = field(default_factory=_no_tensor)
    #: float32 [B*C,1]: 1 where there is a former mask.
    has_mask: Tensor = field(default_factory=_no_tensor)

    @property
    def prompts(self) -> int:
        """Return how many prompts each image has."""
        return len(self.input_ids) // len(self.pixel_values)

    @property
    def clicks(self) -> int:
        """Return how many clicks each image has."""
        return len(self.points) // len(self.pixel_values)


class Batches(IterableDataset[Batch]):
    """Batches for a range of steps; step s of seed k is the same batch on every machine."""

    def __init__(
        self,
        files: SceneFiles,
        encode: Callable[[str], np.ndarray],
        batch_size: int,
        steps: range,
        seed: int,
        prompts: int = PROMPTS,
        clicks: int = CLICKS,
    ) -> None:
        """prompts, clicks: of each image; without any their tensors stay empty."""
        self._files, self._encode = files, encode
        self._batch_size, self._steps, self._seed = batch_size, steps, seed
        self._prompts, self._clicks = prompts, clicks

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(0)
        for step in self._steps:
            rng = np.random.default_rng((self._seed, step))
            rows = [
                self._row(int(rng.integers(len(self._files.images))), rng)
                for _ in range(self._batch_size)
            ]
            yield Batch(**{name: _join(name, [row[name] for row in rows]) for name in rows[0]})

    def _row(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        view = random_view(self._files, index, rng)
        boxes, centres = _places(view)
        row = {
            "pixel_values": normalised(view.image),
            "labels": view.labels,
            "objects": view.objects.astype(np.int64),
            "visible": view.visible,
            "ignored": (view.objects[:, 0] >= 0) & ~view.visible,
            "boxes": boxes,
            "centres": centres,
        }
        if self._prompts:
            row |= _stack([self._phrase(view, boxes, rng) for _ in range(self._prompts)])
            said = [phrases.anything(rng) for _ in range(PHRASES)]
            row["phrases"] = np.stack([self._encode(phrase.text) for phrase in said])
            row["meanings"] = np.array([phrase.meaning for phrase in said], np.int64)
        if self._clicks:
            row |= _stack([_click(view, rng) for _ in range(self._clicks)])
        return row

    def _phrase(
        self, view: Sample, boxes: np.ndarray, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        objects = view.objects.astype(np.int64)
        exemplars = np.zeros((EXEMPLARS, 4), np.float32)
        labels, mask = np.zeros(EXEMPLARS, np.int64), np.zeros(EXEMPLARS, bool)
        kind = rng.random()
        if kind < 0.15 and view.visible.any():
            text, matches = self._by_exemplar(view, boxes, exemplars, labels, mask, rng)
        else:
            said = _said(kind, objects, view.visible, rng)
            text, matches = said.text, said.matches(objects)
        return {
            "input_ids": self._encode(text),
            "matches": matches,
            "exemplars": exemplars,
            "exemplar_labels": labels,
            "exemplar_mask": mask,
        }

    def _by_exemplar(
        self,
        view: Sample,
        boxes: np.ndarray,
        exemplars: np.ndarray,
        labels: np.ndarray,
        mask: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[str, np.ndarray]:
        """Ask by a box: positive, for all objects of its colour and shape; negative, to exclude
        them from what a wider phrase names. Fill the exemplar arrays in place."""
        objects = view.objects.astype(np.int64)
        chosen = int(rng.choice(np.flatnonzero(view.visible)))
        kin = (objects == objects[chosen]).all(1)
        exemplars[0] = _jittered(boxes[chosen], rng)
        mask[0] = True
        if rng.random() < 0.7:
            labels[0] = 1
            return "visual", kin
        colour, shape = (int(v) for v in objects[chosen])
        wider = [(colour, None), (None, shape), (None, None)][rng.integers(3)]
        said = phrases.describe(*wider, rng)
        return said.text, said.matches(objects) & ~kin


def _said(
    kind: float, objects: np.ndarray, visible: np.ndarray, rng: np.random.Generator
) -> phrases.Phrase:
    """Draw a phrase of a kind, by a number in [0.15, 1]: of what is there, or of what is not."""
    if kind < 0.65 and visible.any():
        return phrases.present(objects, visible, rng)
    if kind < 0.93:
        return phrases.absent(objects, rng, NEAR_MISSES)
    return phrases.with_unknown_word(rng)


def normalised(rgb: np.ndarray) -> np.ndarray:
    """Normalise uint8 RGB [240,320,3] to float32 [3,240,320] as the bundle does."""
    return np.ascontiguousarray(((rgb.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1))


def _places(view: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes cxcywh [MAX_OBJECTS,4] and mask centroids [MAX_OBJECTS,2], in [0,1]."""
    boxes = np.zeros((MAX_OBJECTS, 4), np.float32)
    centres = np.zeros((MAX_OBJECTS, 2), np.float32)
    for number in np.flatnonzero(view.objects[:, 0] >= 0):
        ys, xs = np.nonzero(view.labels == number + 1)
        if not len(ys):
            continue
        low, high = np.array([xs.min(), ys.min()]), np.array([xs.max(), ys.max()]) + 1
        size = np.array([640, 480])
        boxes[number] = np.concatenate([(low + high) / 2 / size, (high - low) / size])
        centres[number] = (np.array([xs.mean(), ys.mean()]) + 0.5) / size
    return boxes, centres


def _jittered(box: np.ndarray, rng: np.random.Generator, amount: float = 0.05) -> np.ndarray:
    noise = rng.normal(0, amount, 4) * np.array([box[2], box[3], box[2], box[3]])
    return np.clip(box + noise, 0.005, 0.999).astype(np.float32)


def _click(view: Sample, rng: np.random.Generator) -> dict[str, np.ndarray]:
    points = np.zeros((POINTS, 2), np.float32)
    labels = np.full(POINTS, PADDING, np.int64)
    mask_input = np.zeros((1, HEIGHT // 2, WIDTH // 2), np.float32)
    has_mask = np.zeros(1, np.float32)
    wanted = clickable(view, rng)
    target = 0
    if len(wanted) and rng.random() > ON_NOTHING:
        seen = np.bincount(view.labels.ravel(), minlength=256)
        rare = 1 / np.sqrt(seen[wanted])  # small things are the hardest to click
        target = int(rng.choice(wanted, p=rare / rare.sum()))
    mask = view.labels == target
    kind = rng.random() if target else 0.0
    if not target:
        points[0], labels[0] = _on_nothing(mask, rng), 1
    elif kind < 0.4:
        points[0], labels[0] = inside(mask, rng), 1
    elif kind < 0.75:
        points[:2], labels[:2] = corners(mask, rng), (2, 3)
    else:
        count = int(rng.integers(2, POINTS))
        for place in range(count):
            positive = place == 0 or rng.random() < 0.5
            points[place] = inside(mask, rng) if positive else _beside(mask, rng)
            labels[place] = int(positive)
    if target and rng.random() < 0.2:
        mask_input[0], has_mask[0] = _rough_logits(mask, rng), 1
    return {
        "points": points,
        "point_labels": labels,
        "targets": np.int64(target),
        "mask_input": mask_input,
        "has_mask": has_mask,
    }


def clickable(view: Sample, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers of what is worth a click in a view: its objects, now and then clutter."""
    seen = np.bincount(view.labels.ravel(), minlength=256)
    wanted = np.flatnonzero(seen[:FIRST_CLUTTER_ID] > 300)[1:]
    if rng.random() < 0.15:
        wanted = np.flatnonzero(seen > 300)[1:]
    return wanted


def inside(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a point of the mask in pixels of 320x240: anywhere, or near its middle."""
    if rng.random() < 0.5:
        depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
        mask = depth > rng.uniform(0.3, 0.95) * depth.max()
    return _anywhere(mask, rng)


def _anywhere(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = divmod(int(rng.choice(np.flatnonzero(mask))), 640)
    return (np.array([x, y], np.float32) + 0.5) / 2


def _on_nothing(table: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a point of the bare table in pixels of 320x240: mostly just beside something, where
    the network is tempted."""
    clear = cv2.erode(table.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
    close = clear & ~(cv2.erode(table.astype(np.uint8), np.ones((61, 61), np.uint8)) > 0)
    if close.any() and rng.random() < 0.6:
        return _anywhere(close, rng)
    return inside(clear if clear.any() else table, rng)


def _beside(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a point near the mask but outside it."""
    near = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    return inside(near & ~mask, rng) if (near & ~mask).any() else inside(~mask, rng)


def corners(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the corners [2,2] of the mask's box in pixels of 320x240, mostly a little off."""
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    noise = rng.normal(0, 0.03, (2, 2)) * [w, h] * (rng.random() < 0.7)
    box = np.array([[x, y], [x + w, y + h]]) + noise
    return (np.clip(box, 0, [640, 480]) / 2).astype(np.float32)


def _rough_logits(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the mask as logits [120,160], imperfect as a first answer might be."""
    shift = rng.integers(-6, 7, 2)
    moved = np.roll(mask.astype(np.uint8), tuple(shift), (0, 1))
    kernel = np.ones([int(rng.integers(1, 12))] * 2, np.uint8)
    rough = (cv2.dilate if rng.random() < 0.5 else cv2.erode)(moved, kernel)
    small = cv2.resize(
        rough.astype(np.float32), (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA
    )
    return (cv2.GaussianBlur(small, (0, 0), 1.0) * 2 - 1) * np.float32(rng.uniform(4, 12))


def _stack(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


_PER_IMAGE = {"pixel_values", "labels", "objects", "visible", "ignored", "boxes", "centres"}


def _join(name: str, rows: list[np.ndarray]) -> Tensor:
    joined = np.stack(rows) if name in _PER_IMAGE else np.concatenate(rows)
    return torch.from_numpy(joined)
