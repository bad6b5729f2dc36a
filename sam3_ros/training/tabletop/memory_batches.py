"""What the stages that remember are trained with: objects of clips, and earlier frames of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from sam3_ros.training.tabletop.clip_features import ClipFeatures
from sam3_ros.training.tabletop.memory import MEMORIES
from sam3_ros.training.tabletop.sequences import FRAMES, ClipFiles

#: Pixels of 320x240 from which on an object is in view, and up to which it is not.
IN_VIEW, OUT_OF_VIEW = 60, 12
#: Share of the frames to look back from, and of the stretches, in which the object is out of view.
#: What remembers is wrong most often there: it takes another object for the one that left.
ABSENT, LEAVING = 0.35, 0.6
#: Stretches drawn until one fits.
TRIES = 20


@dataclass(frozen=True, eq=False)
class LookingBack:
    """B objects, each in one frame, with M true memories of earlier ones."""

    #: float32 [B,96,30,40]
    coarse: Tensor
    look: Tensor
    #: float32 [B,M,96,30,40]
    past: Tensor
    past_look: Tensor
    #: float32 [B,M,1,120,160] in [0,1]: the object in those frames, nearly.
    masks: Tensor
    #: float32 [B,M]: 1 or -1, the object is there or is not.
    there: Tensor
    #: int64 [B,M]
    ages: Tensor
    #: float32 [B,120,160]: the share of each cell that the object covers.
    wanted: Tensor


@dataclass(frozen=True, eq=False)
class Stretch:
    """B objects of C clips through T frames, the first of which is prompted."""

    #: float32 [C,T,24,120,160], [C,T,48,60,80], [C,T,96,30,40]
    fine: Tensor
    middle: Tensor
    coarse: Tensor
    #: float32 [C,T,96,30,40]
    look: Tensor
    #: int64 [B]
    clip: Tensor
    #: float32 [B,T,120,160]
    wanted: Tensor
    #: float32 [B,T]: 1 in view, 0 out of it, -1 hardly seen: neither right nor wrong to find.
    seen: Tensor


class _Clips:
    def __init__(self, files: ClipFiles, features: ClipFeatures) -> None:
        self.features, self.labels, self.objects = features, files.labels, files.objects
        clips = len(files.labels)
        #: Pixels of each object in each frame: int64 [N,FRAMES,12].
        self.pixels = np.zeros((clips, FRAMES, files.objects.shape[1]), np.int64)
        for clip in range(clips):
            for frame in range(FRAMES):
                counts = np.bincount(files.labels[clip, frame].ravel(), minlength=256)
                self.pixels[clip, frame] = counts[1 : self.pixels.shape[2] + 1]

    def cover(self, clip: int, frame: int, number: int) -> np.ndarray:
        """Return the share of each cell that object `number` (from 0) covers: [120,160]."""
        mask = (self.labels[clip, frame] == number + 1).astype(np.float32)
        return cv2.resize(mask, (160, 120), interpolation=cv2.INTER_AREA)

    def most_mistakable(
        self, rng: np.random.Generator, clip: int, frame: int, out_of_view: np.ndarray
    ) -> int | None:
        """Return an object that is out of view while one like it is seen, if there is one.

        What takes another object for the one that left is taught by these.
        """
        likeness = self.likeness_in_view(clip, frame) * out_of_view
        best = np.flatnonzero((likeness == likeness.max()) & (likeness > 0))
        return int(rng.choice(best)) if len(best) else None

    def likeness_in_view(self, clip: int, frame: int) -> np.ndarray:
        """Return of each object how much of colour and shape (0 to 2) another in view shares."""
        kinds, seen = self.objects[clip], self.pixels[clip, frame] >= IN_VIEW
        shared = (kinds[:, None] == kinds[None]).sum(2) * seen[None]
        np.fill_diagonal(shared, 0)
        return np.asarray(shared.max(1))


def frames_through(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return `count` frames of a clip in the order in which they are seen.

    Forwards or backwards, each one, every second or third; at an end it stays for a while or turns.
    """
    stride, start = int(rng.choice([1, 1, 2, 3])), int(rng.integers(FRAMES))
    frames = (
        (start + stride * np.arange(count))
        if rng.random() < 0.5
        else (start - stride * np.arange(count))
    )
    if rng.random() < 0.5:
        return np.clip(frames, 0, FRAMES - 1)
    period = 2 * (FRAMES - 1)
    folded = np.mod(frames, period)
    return np.where(folded < FRAMES, folded, period - folded)


class PastBatches(IterableDataset[LookingBack]):
    """Batches for a range of steps; step s of seed k is the same batch on every machine."""

    def __init__(
        self, files: ClipFiles, features: ClipFeatures, size: int, steps: range, seed: int
    ) -> None:
        self._clips = _Clips(files, features)
        self._size, self._steps, self._seed = size, steps, seed

    def __iter__(self) -> Iterator[LookingBack]:
        cv2.setNumThreads(0)
        for step in self._steps:
            rng = np.random.default_rng((self._seed, step))
            count = int(rng.integers(0, 4))  # beside the prompted frame
            rows = [self._row(count, rng) for _ in range(self._size)]
            joined = [np.stack(values) for values in zip(*rows, strict=True)]
            yield LookingBack(
                *(
                    torch.from_numpy(x).float() if x.dtype != np.int64 else torch.from_numpy(x)
                    for x in joined
                )
            )

    def _row(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        clips, absent = self._clips, rng.random() < ABSENT
        while True:
            clip = int(rng.integers(len(clips.pixels)))
            pixels = clips.pixels[clip]
            order = frames_through(rng, MEMORIES + 1)[::-1]  # the present one is the last
            prompted = int(rng.integers(FRAMES)) if rng.random() < 0.6 else int(order[0])
            now = int(order[-1])
            fits = pixels[prompted] >= IN_VIEW
            fits &= (pixels[now] <= OUT_OF_VIEW) if absent else (pixels[now] >= IN_VIEW)
            if fits.any():
                break
        number = clips.most_mistakable(rng, clip, now, fits) if absent else None
        number = int(rng.choice(np.flatnonzero(fits))) if number is None else number
        ages = np.sort(rng.choice(np.arange(1, MEMORIES + 1), count, replace=False))
        if count and rng.random() < 0.8:
            ages = np.arange(1, count + 1)
        frames = [prompted, *(int(order[-1 - age]) for age in ages)]
        masks, there = [], []
        lost = rng.random() < 0.12  # and so the last frames say that it is not there
        for place, frame in enumerate(frames):
            cover = clips.cover(clip, frame, number)
            seen = pixels[frame, number] > OUT_OF_VIEW and not (lost and place)
            if place and seen and rng.random() < 0.04:  # it was mistaken once
                others = np.flatnonzero(pixels[frame] >= IN_VIEW)
                if len(others):
                    cover = clips.cover(clip, frame, int(rng.choice(others)))
            cover = _nearly(cover, rng) if rng.random() < 0.6 else cover
            cover = (cover > 0.5).astype(np.float32) if place == 0 else cover
            masks.append(cover * seen)
            there.append(1.0 if seen else -1.0)
        return (
            clips.features.coarse[clip, now],
            clips.features.look[clip, now],
            clips.features.coarse[clip, frames],
            clips.features.look[clip, frames],
            np.stack(masks)[:, None],
            np.array(there, np.float32),
            np.array([0, *ages], np.int64),
            clips.cover(clip, now, number),
        )


class Stretches(IterableDataset[Stretch]):
    """Batches for a range of steps, as PastBatches."""

    def __init__(
        self,
        files: ClipFiles,
        features: ClipFeatures,
        clips: int,
        objects: int,
        length: int,
        steps: range,
        seed: int,
    ) -> None:
        self._clips = _Clips(files, features)
        self._count, self._objects, self._length = clips, objects, length
        self._steps, self._seed = steps, seed

    def __iter__(self) -> Iterator[Stretch]:
        cv2.setNumThreads(0)
        for step in self._steps:
            rng = np.random.default_rng((self._seed, step))
            parts = [self._part(rng) for _ in range(self._count)]
            fine, middle, coarse, look = (
                torch.from_numpy(np.stack([part[k] for part in parts])).float() for k in range(4)
            )
            wanted = torch.from_numpy(np.concatenate([part[4] for part in parts]))
            seen = torch.from_numpy(np.concatenate([part[5] for part in parts]))
            clip = torch.arange(self._count).repeat_interleave(self._objects)
            yield Stretch(fine, middle, coarse, look, clip, wanted, seen)

    def _part(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        clips = self._clips
        clip, order = self._frames(rng)
        pixels = clips.pixels[clip, order]
        fits = np.flatnonzero(pixels[0] >= IN_VIEW)
        # Those that go out of view, or nearly, are taken first, and first of all where another
        # like them stays.
        least = pixels[:, fits].min(0) / pixels[:, fits].max(0)
        alike = np.stack([clips.likeness_in_view(clip, int(frame)) for frame in order])
        mistakable = (alike * (pixels <= OUT_OF_VIEW)).max(0)[fits]
        weight = np.where(least < 0.3, 3.0 + 3.0 * mistakable, 1.0)
        chosen = rng.choice(
            fits, self._objects, p=weight / weight.sum(), replace=len(fits) < self._objects
        )
        wanted = np.stack(
            [[clips.cover(clip, int(frame), int(n)) for frame in order] for n in chosen]
        )
        counts = pixels[:, chosen].T
        seen = np.where(counts >= IN_VIEW, 1.0, np.where(counts <= OUT_OF_VIEW, 0.0, -1.0))
        kept = clips.features
        maps = (kept.fine, kept.middle, kept.coarse, kept.look)
        return (*(np.asarray(x[clip])[order] for x in maps), wanted, seen.astype(np.float32))

    def _frames(self, rng: np.random.Generator) -> tuple[int, np.ndarray]:
        """Return a clip, and frames through it of which the first shows something."""
        leaving = rng.random() < LEAVING
        for tried in itertools.count():
            clip = int(rng.integers(len(self._clips.pixels)))
            order = frames_through(rng, self._length)
            pixels = self._clips.pixels[clip, order]
            fits = pixels[0] >= IN_VIEW
            if (fits & (pixels.min(0) <= OUT_OF_VIEW)).any() or (
                fits.any() and not (leaving and tried < TRIES)
            ):
                break
        return clip, order


def _nearly(cover: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a mask that is a little off, as an answer might be."""
    moved = np.roll(cover, tuple(rng.integers(-2, 3, 2)), (0, 1))
    kernel = np.ones([int(rng.integers(1, 5))] * 2, np.uint8)
    return (cv2.dilate if rng.random() < 0.5 else cv2.erode)(moved, kernel)


def halved(cover: Tensor) -> Tensor:
    """Return the shares [B,60,80] of [B,120,160]."""
    return F.avg_pool2d(cover[:, None], 2)[:, 0]
