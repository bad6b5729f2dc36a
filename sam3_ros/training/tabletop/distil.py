"""Trains a smaller fusion and decoder to answer as a bundle does; all its other stages stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam3_ros.training.tabletop.batches import Batch, Batches
from sam3_ros.training.tabletop.dataset import SceneFiles
from sam3_ros.training.tabletop.losses import box_loss
from sam3_ros.training.tabletop.mask_cells import cell_loss, sampled_cells
from sam3_ros.training.tabletop.network import D, TabletopDecoder, TabletopFusion
from sam3_ros.training.tabletop.steps import PhasedRecipe, RatedPhase, TrainingSteps
from sam3_ros.training.tabletop.teacher import Lesson, Teacher

_LARGEST_GRADIENT = 2.0
#: Queries that the teacher is at least this sure begin on an object; the others are noise.
_SURE = 0.3
_MASKS_PER_IMAGE = 6


@dataclass(frozen=True)
class DistilRecipe(PhasedRecipe[RatedPhase]):
    """Everything that a distillation depends on, beside the scenes."""

    #: Sum of the teacher's manifest, so that a checkpoint goes on with its own teacher alone.
    teacher: str
    #: Which of the teacher's blocks of the fusion and layers of the decoder it begins with.
    fusion_blocks: tuple[int, ...] = (0,)
    decoder_layers: tuple[int, ...] = (0,)
    phases: tuple[RatedPhase, ...] = (RatedPhase(480, 1e-3, 1e-5),)
    #: Images of a step and prompts of each: an image costs as much as several prompts.
    images: int = 3
    prompts: int = 6
    warm_up: int = 30
    weight_decay: float = 0.01
    average: float = 0.99
    seed: int = 0
    save_every: int = 50


class Student(nn.Module):
    """The two stages that are made smaller, by their names in the bundle."""

    def __init__(self, fusion_blocks: int, decoder_layers: int) -> None:
        super().__init__()
        self.fusion = TabletopFusion(fusion_blocks)
        self.decoder = TabletopDecoder(decoder_layers)


def student_of(teacher: Teacher, blocks: Sequence[int], layers: Sequence[int]) -> Student:
    """Return a student with the weights of the teacher, and of its layers those that are named."""
    student = Student(len(blocks), len(layers))
    for stage, source, kept in (
        (student.fusion, teacher.fusion, {"blocks": blocks}),
        (student.decoder, teacher.decoder, dict.fromkeys(_STACKS, layers)),
    ):
        state = source.state_dict()
        for name in stage.state_dict():
            stack, _, rest = name.partition(".")
            if stack in kept:
                place, _, weight = rest.partition(".")
                state[name] = source.state_dict()[f"{stack}.{kept[stack][int(place)]}.{weight}"]
        stage.load_state_dict({name: state[name] for name in stage.state_dict()})
    return student


_STACKS = ("to_self", "to_prompt", "to_memory")


class Distillation(nn.Module):
    """The losses of a student that answers what its teacher answered, by name.

    Its queries begin in the cells where those of the teacher did, so that each has one to equal.
    """

    def __init__(self, student: Student, teacher: Teacher) -> None:
        super().__init__()
        self.student = student
        self.teacher = teacher

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return all losses; each is the least where the student answers as the teacher does."""
        lesson = self.teacher.teach(batch)
        memory = self.student.fusion(lesson.fpn2, lesson.prompt, lesson.prompt_mask)
        queries, boxes, presence, heat, _ = self.student.decoder.detail(
            memory, lesson.prompt, lesson.prompt_mask, lesson.index
        )
        logits = self.teacher.scoring(queries, lesson.prompt, lesson.prompt_mask)
        sure = lesson.heat.flatten(1).gather(1, lesson.index).sigmoid() > _SURE
        peaks = lesson.heat.sigmoid().sum().clamp(min=1)
        features = queries[sure][:, : D - 4], lesson.queries[sure][:, : D - 4]
        return {
            "memory": _away(memory, lesson.memory),
            "heat": divergence(heat, lesson.heat).sum() / peaks,
            "query": _away(*features) if sure.any() else queries.sum() * 0,
            "box": box_loss(boxes[sure], lesson.boxes[sure]),
            "score": divergence(logits, lesson.logits).sum(1).mean(),
            "presence": 2 * divergence(presence, lesson.presence).mean(),
            "mask": self._masks(lesson, memory, queries, sure),
        }

    def _masks(self, lesson: Lesson, memory: Tensor, queries: Tensor, sure: Tensor) -> Tensor:
        """Return the loss of the masks of the first prompt of each image."""
        images = len(lesson.fpn0)
        first = torch.arange(0, len(memory), len(memory) // images)
        rank = torch.rand(images, sure.shape[1]).masked_fill(~sure[first], -1)
        taken, chosen = rank.topk(_MASKS_PER_IMAGE, dim=1)
        image, place = (taken >= 0).nonzero(as_tuple=True)
        if not len(image):
            return memory.sum() * 0
        stage, pick = self.teacher.segmentation, chosen[..., None].expand(-1, -1, D)
        asked = lesson.queries[first].gather(1, pick)
        maps = lesson.fpn0, lesson.fpn1
        with torch.no_grad():
            wanted = stage(*maps, lesson.memory[first], asked).sigmoid().flatten(0, 1)
        cells = sampled_cells(wanted, asked[..., D - 4 :].flatten(0, 1))
        truth = wanted.flatten(1).gather(1, cells).unflatten(0, chosen.shape)
        answered = queries[first].gather(1, pick)
        found = stage.masks.at(
            stage.pixels_of(*maps, memory[first]),
            answered,
            answered[..., D - 4 :],
            cells.unflatten(0, chosen.shape),
        )
        return cell_loss(found[image, place].float(), truth[image, place])


def divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return how far each chance is from the wanted one, both as logits: Kullback and Leibler's."""
    chance = wanted.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(wanted, chance, reduction="none")
    return F.binary_cross_entropy_with_logits(logits.float(), chance, reduction="none") - entropy


def _away(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean square of the difference, as a share of that of what is wanted."""
    return (found - wanted).square().mean() / wanted.square().mean().clamp(min=1e-6)


def distil(
    files: SceneFiles,
    encode: Callable[[str], np.ndarray],
    teacher: Teacher,
    recipe: DistilRecipe,
    checkpoint: Path,
) -> Student:
    """Train and return the averaged student. Resume from `checkpoint` where there is one.

    Raises RuntimeError for a checkpoint of another recipe or teacher.
    """
    torch.manual_seed(recipe.seed)
    student = student_of(teacher, recipe.fusion_blocks, recipe.decoder_layers)
    learner = Distillation(student, teacher)
    training = TrainingSteps(learner, student, recipe, checkpoint, _LARGEST_GRADIENT)
    steps = range(training.step, recipe.steps)
    batches = Batches(
        files, encode, recipe.images, steps, recipe.seed + 1, prompts=recipe.prompts, clicks=0
    )
    training.run(batches, learner, log_every=25)
    average = training.average.eval()
    assert isinstance(average, Student)
    return average
