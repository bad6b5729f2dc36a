"""Trains what corrects an answer, with all else frozen: AdamW, and an average.

A mark is answered, the next one goes into the error of the answer, as the evaluation does it
(sam3_ros/evaluation/clicks.py), and so on; the last answer is what is learnt from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from sam3_ros.core.geometry import Point
from sam3_ros.evaluation.clicks import Click, next_click
from sam3_ros.training.tabletop.batches import PADDING, clickable, corners, inside, normalised
from sam3_ros.training.tabletop.corrections import CorrectedPrompts, Corrections
from sam3_ros.training.tabletop.dataset import HEIGHT, WIDTH, SceneFiles, random_view
from sam3_ros.training.tabletop.losses import answer_losses, coverage
from sam3_ros.training.tabletop.network import MASK_GRID, MASK_TOKENS, TabletopNetwork
from sam3_ros.training.tabletop.steps import PhasedRecipe, RatedPhase, TrainingSteps

#: Shares of the steps with one, two and three corrections of each answer.
_CORRECTIONS = (0.5, 0.3, 0.2)
#: Share of the steps that begin with boxes.
_BY_BOX = 0.2
#: Share of the corrections that have the former mask, and of these the ones without former marks:
#: a person who corrects what is followed may click once.
_WITH_MASK, _ALONE = 0.4, 0.5
#: Share of the clicks that go anywhere into an error, not where it is deepest.
_ANYWHERE = 0.5
#: A former mask's logits are cut there, as a session of tracking does.
_MOST_LOGIT = 32.0
_LARGEST_GRADIENT = 5.0


@dataclass(frozen=True)
class CorrectionRecipe(PhasedRecipe[RatedPhase]):
    """Everything that this training depends on, beside the scenes and the network."""

    phases: tuple[RatedPhase, ...] = (RatedPhase(520, 2e-3, 1e-5),)
    images: int = 6
    #: Objects of an image that are marked, and how many of all are corrected in a step.
    objects: int = 6
    corrected: int = 20
    warm_up: int = 40
    weight_decay: float = 0.02
    average: float = 0.98
    seed: int = 0
    save_every: int = 100


@dataclass(frozen=True, eq=False)
class Marked:
    """N objects in B images, each with a box or a click; points are in pixels of 320x240."""

    #: float32 [B,3,240,320]
    pixel_values: Tensor
    #: uint8 [B,480,640]: number of the object in each pixel, 0 for none.
    labels: Tensor
    #: int64 [N]: the image of each object, and its number there.
    image: Tensor
    target: Tensor
    #: float32 [N,1 or 2,2], int64 [N,1 or 2]
    points: Tensor
    point_labels: Tensor
    #: What the corrections are drawn by.
    seed: int


class MarkedObjects(IterableDataset[Marked]):
    """Objects to correct; step s of a seed is the same everywhere."""

    def __init__(self, files: SceneFiles, recipe: CorrectionRecipe, steps: range) -> None:
        self._files, self._recipe, self._steps = files, recipe, steps

    def __iter__(self) -> Iterator[Marked]:
        cv2.setNumThreads(0)
        for step in self._steps:
            yield self._marked(np.random.default_rng((self._recipe.seed + 1, step)))

    def _marked(self, rng: np.random.Generator) -> Marked:
        scenes, by_box = len(self._files.images), rng.random() < _BY_BOX
        views = [
            random_view(self._files, int(rng.integers(scenes)), rng)
            for _ in range(self._recipe.images)
        ]
        objects = [
            (number, int(target))
            for number, view in enumerate(views)
            for target in rng.permutation(clickable(view, rng))[: self._recipe.objects]
        ]
        if not objects:  # nothing but table in all views
            return self._marked(rng)
        masks = [views[number].labels == target for number, target in objects]
        marks = [corners(each, rng) if by_box else inside(each, rng)[None] for each in masks]
        image, target = torch.tensor(objects).unbind(1)
        return Marked(
            pixel_values=torch.from_numpy(np.stack([normalised(each.image) for each in views])),
            labels=torch.from_numpy(np.stack([each.labels for each in views])),
            image=image,
            target=target,
            points=torch.from_numpy(np.stack(marks)),
            point_labels=torch.tensor([[2, 3] if by_box else [1]]).repeat(len(marks), 1),
            seed=int(rng.integers(2**31)),
        )


class CorrectionObjective(nn.Module):
    """The losses of a batch, by name."""

    def __init__(
        self, network: TabletopNetwork, corrections: Corrections, recipe: CorrectionRecipe
    ):
        super().__init__()
        self.corrections = corrections
        # In lists: not among the parameters.
        self._network = [network.eval().requires_grad_(False)]
        self._prompts = [CorrectedPrompts(network.prompt_encoder, corrections)]
        self._corrected = recipe.corrected

    def forward(self, batch: Marked) -> dict[str, Tensor]:
        """Answer the first marks, correct the worst answers and some others, judge the last."""
        rng, network = np.random.default_rng(batch.seed), self._network[0]
        with torch.no_grad():
            features = network.tracker_neck(*network.image_trunk(batch.pixel_values))
            talk = _Talk(batch)
            by_box = bool((batch.point_labels == 2).any())
            talk.answer(self._masks(features, talk, (0,) if by_box else (1, 2, 3)))
            talk.keep(self._corrected, rng)
            for _ in range(int(rng.choice(len(_CORRECTIONS), p=_CORRECTIONS))):
                talk.mark(rng)
                talk.answer(self._masks(features, talk, (0,)))
            talk.mark(rng)
        tokens = (0, int(rng.integers(1, MASK_TOKENS)))
        pixels, queries, boxes, iou, objects, _ = self._decoded(features, talk, tokens)
        wanted = coverage(batch.labels[talk.image], talk.target)
        losses = answer_losses(
            network.mask_decoder.masks, (pixels, queries, boxes), iou[:, tokens], wanted
        )
        return {"object": F.softplus(-objects[:, 0]).mean(), **losses}

    def _decoded(
        self, features: tuple[Tensor, ...], talk: _Talk, tokens: tuple[int, ...]
    ) -> tuple[Tensor, ...]:
        fine, middle, coarse = (each[talk.image] for each in features)
        sparse, dense = self._prompts[0](talk.points, talk.told, talk.former, talk.has_former)
        decoder = self._network[0].mask_decoder
        decoded: tuple[Tensor, ...] = decoder.before_masks(
            coarse, fine, middle, sparse, dense, tokens
        )
        return decoded

    def _masks(self, features: tuple[Tensor, ...], talk: _Talk, tokens: tuple[int, ...]) -> Tensor:
        """Return the logits [N,120,160] that the best of the tokens answers with."""
        pixels, queries, boxes, iou, _, _ = self._decoded(features, talk, tokens)
        best = iou[:, tokens].argmax(1, keepdim=True)[..., None]
        chosen = (each.gather(1, best.expand(-1, -1, each.shape[2])) for each in (queries, boxes))
        masks: Tensor = self._network[0].mask_decoder.masks(pixels, *chosen)
        return masks[:, 0]


class _Talk:
    """Marks and answers of some objects, in turns."""

    def __init__(self, batch: Marked) -> None:
        self.image, self.target = batch.image, batch.target
        #: float32 [N,P,2], int64 [N,P]: all marks.
        self.points, self._labels = batch.points, batch.point_labels
        #: The labels of those that the next answer is told of.
        self.told = self._labels
        self.former = torch.zeros(len(self.image), 1, *MASK_GRID)
        self.has_former = torch.zeros(len(self.image))
        labels = batch.labels[:, 1::2, 1::2]
        self._wanted = (labels[self.image] == self.target[:, None, None]).numpy()
        self._logits = torch.empty(0)

    def answer(self, logits: Tensor) -> None:
        """Take the answers, float32 [N,120,160]."""
        self._logits = logits.float()

    def keep(self, count: int, rng: np.random.Generator) -> None:
        """Keep that many objects, half of them those with the worst answers; `mark` comes next."""
        answered = self._answered()
        common = (answered & self._wanted).sum((1, 2))
        order = np.argsort(common / np.maximum(1, (answered | self._wanted).sum((1, 2))))
        worst, others = order[: count // 2], rng.permutation(order[count // 2 :])
        kept = np.concatenate([worst, others[: count - len(worst)]])
        self._wanted, chosen = self._wanted[kept], torch.from_numpy(kept)
        self.image, self.target = self.image[chosen], self.target[chosen]
        self.points, self._labels = self.points[chosen], self._labels[chosen]
        self._logits = self._logits[chosen]

    def mark(self, rng: np.random.Generator) -> None:
        """Click into the error of each answer; tell of all marks, or of some and the answer."""
        count = len(self._wanted)
        marks = [
            _mark(wanted, answered, _clicks(points, labels), rng)
            for wanted, answered, points, labels in zip(
                self._wanted, self._answered(), self.points, self._labels, strict=True
            )
        ]
        with_former = torch.from_numpy(rng.random(count) < _WITH_MASK)
        alone = with_former & torch.from_numpy(rng.random(count) < _ALONE)
        places, signs = (torch.tensor(each) for each in zip(*marks, strict=True))
        before = self._labels.masked_fill(alone[:, None], PADDING)
        self.points = torch.cat([self.points, places[:, None]], dim=1)
        self.told = torch.cat([before, signs[:, None]], dim=1)
        self._labels = torch.cat([self._labels, signs[:, None]], dim=1)
        self.has_former = with_former.float()
        self.former = self._logits.clamp(-_MOST_LOGIT, _MOST_LOGIT)[:, None]
        self.former = self.former * self.has_former[:, None, None, None]

    def _answered(self) -> np.ndarray:
        """Return bool [N,240,320]."""
        size = (HEIGHT, WIDTH)
        larger = F.interpolate(self._logits[:, None], size, mode="bilinear", align_corners=False)
        return (larger[:, 0] > 0).numpy()


def _clicks(points: Tensor, labels: Tensor) -> tuple[Click, ...]:
    return tuple(
        Click(Point(*map(float, point)), bool(label))
        for point, label in zip(points, labels, strict=True)
        if label in (0, 1)
    )


def _mark(
    wanted: np.ndarray, answered: np.ndarray, before: tuple[Click, ...], rng: np.random.Generator
) -> tuple[tuple[float, float], int]:
    """Return the next click and its sign, with PADDING where nothing is wrong."""
    click = next_click(wanted, answered, before)
    if click is None:
        return (0.0, 0.0), PADDING
    wrong = wanted & ~answered if click.is_positive else answered & ~wanted
    place = click.point.x, click.point.y
    if rng.random() < _ANYWHERE:
        row, column = divmod(int(rng.choice(np.flatnonzero(wrong))), WIDTH)
        place = (column + 0.5, row + 0.5)
    return place, int(click.is_positive)


def train_corrections(
    files: SceneFiles, network: TabletopNetwork, recipe: CorrectionRecipe, checkpoint: Path
) -> Corrections:
    """Train and return the averaged layers. Resume from `checkpoint` where there is one.

    Raises RuntimeError for a checkpoint of another recipe.
    """
    torch.manual_seed(recipe.seed)
    objective = CorrectionObjective(network, Corrections(), recipe)
    training = TrainingSteps(
        objective, objective.corrections, recipe, checkpoint, _LARGEST_GRADIENT
    )
    steps = range(training.step, recipe.steps)
    if steps:
        training.run(MarkedObjects(files, recipe, steps), objective, log_every=20)
    average = training.average.eval()
    assert isinstance(average, Corrections)
    return average
