"""Lengths that repeat, for stages on a GPU: how many boxes, prompt tokens, queries and prompts.

A session there captures the first few sets of shapes that it meets as CUDA graphs and runs the
others without (core/backends/cuda_graphs.py), and a tensor without an element has no graph at all.
So lengths are rounded up, with rows that a mask makes invalid or whose answers are dropped. On the
CPU, where a row costs what it costs, they stay as they are.

Points are never added: to SAM a padding point is part of the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.stages.session import Array
from sam3_ros.core.stages.tensor_names import OF_PROMPTS

# What tells a stage that depends on the prompt from the others.
_PROMPT_INPUTS = OF_PROMPTS | {"boxes"}

# cxcywh: the whole image, which every stage can pool and whose logarithm is finite.
_ANY_BOX = (0.5, 0.5, 1.0, 1.0)


@dataclass(frozen=True)
class LengthRule:
    """To which lengths the tensors of concept prompts are brought."""

    #: Numbers of exemplar boxes, ascending; more than the last, and all where it is empty, stay.
    boxes: tuple[int, ...] = ()
    #: Prompt tokens are a multiple of this many, without those in between that are not valid; 0
    #: leaves them as they are.
    tokens: int = 0
    #: Numbers of queries that are segmented, like `boxes`.
    queries: tuple[int, ...] = ()
    #: Numbers of prompts that go through the stages together, ascending; the first is 1.
    prompts: tuple[int, ...] = (1,)

    @property
    def one_by_one(self) -> LengthRule:
        """The same with one prompt after the other."""
        return replace(self, prompts=(1,))

    def boxes_of(self, exemplars: Mapping[str, Array]) -> dict[str, Array]:
        """Add boxes that are not valid: boxes f32[1,N,4], box_labels and box_mask [1,N]."""
        count = exemplars["boxes"].shape[1]
        added = _rounded(count, self.boxes) - count
        if added == 0:
            return dict(exemplars)
        more = {
            "boxes": np.tile(np.array(_ANY_BOX, np.float32), (1, added, 1)),
            "box_labels": np.ones((1, added), np.int64),
            "box_mask": np.zeros((1, added), np.bool_),
        }
        return {name: np.concatenate([exemplars[name], more[name]], axis=1) for name in more}

    def tokens_of(self, joined: Mapping[str, Array]) -> dict[str, Array]:
        """Keep the valid tokens of prompt f32[1,T,D] and prompt_mask bool[1,T], and fill up."""
        if self.tokens == 0:
            return dict(joined)
        valid = joined["prompt"][:, joined["prompt_mask"][0]]
        count = valid.shape[1]
        return _lengthened(
            {"prompt": valid, "prompt_mask": np.ones((1, count), np.bool_)},
            -(-count // self.tokens) * self.tokens,
        )

    def queries_of(self, kept: Sequence[Array]) -> Array:
        """Return f32[P,K,D] of the kept queries f32[K,D] of each prompt, filled up with zeros."""
        count = _rounded(max(len(each) for each in kept), self.queries)
        filled = np.zeros((len(kept), count, kept[0].shape[1]), kept[0].dtype)
        for row, each in zip(filled, kept, strict=True):
            row[: len(each)] = each
        return filled

    def joins(self, count: int) -> bool:
        """Return whether any of so many prompts go through the stages together."""
        return any(1 < each <= count for each in self.prompts)

    def groups_of(self, count: int) -> list[slice]:
        """Divide so many prompts, in their order, into groups that go through the stages together.

        Three are two and one: to fill up to four would cost a whole fusion and decoder, more than
        the launches that it saves.
        """
        groups: list[slice] = []
        begin = 0
        while begin < count:
            size = max(each for each in self.prompts if each <= count - begin)
            groups.append(slice(begin, begin + size))
            begin += size
        return groups


#: Everything stays as it is, and prompts come one after the other.
EXACT = LengthRule()
#: Four prompts at full size take about 1 GB of working memory more than one, in half precision:
#: the decoder's bias of positions, the fusion's hidden layers and the pixel decoder's fine maps.
ROUNDED = LengthRule(
    boxes=(1, 2, 4, 8, 16, 32),
    tokens=8,  # also what fused attention aligns the bias to that masks the others
    queries=(1, 2, 4, 8, 16, 32, 64, 128, 200),
    prompts=(1, 2, 4),
)


def lengths_for(plan: StagePlan, manifest: Manifest) -> LengthRule:
    """Return ROUNDED where the plan runs a stage that depends on the prompt on a GPU, else EXACT.

    Prompts go together only where all such stages are there: on the CPU that gains nothing.
    """
    stages = [
        stage.name
        for stage in manifest.stages.values()
        if not _PROMPT_INPUTS.isdisjoint(stage.inputs)
    ]
    on_gpu = [plan.of(stage).backend in BACKENDS_ON_GPU for stage in stages]
    if not any(on_gpu):
        return EXACT
    return ROUNDED if all(on_gpu) else ROUNDED.one_by_one


def stacked(prompts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Join prompts f32[1,T,D] with their prompt_mask bool[1,T], of several lengths T, to one.

    Returns prompt f32[P,T,D] and prompt_mask bool[P,T] of the largest T, which is filled up.
    """
    if len(prompts) == 1:
        return dict(prompts[0])
    longest = max(each["prompt"].shape[1] for each in prompts)
    even = [_lengthened(each, longest) for each in prompts]
    return {name: np.concatenate([each[name] for each in even]) for name in even[0]}


def _lengthened(tokens: Mapping[str, Array], count: int) -> dict[str, Array]:
    """Add tokens that are not valid, zeros, until there are so many."""
    added = count - tokens["prompt"].shape[1]
    if added == 0:
        return dict(tokens)
    return {
        "prompt": np.pad(tokens["prompt"], ((0, 0), (0, added), (0, 0))),
        "prompt_mask": np.pad(tokens["prompt_mask"], ((0, 0), (0, added))),
    }


def _rounded(count: int, steps: Sequence[int]) -> int:
    return next((step for step in steps if step >= count), count)
