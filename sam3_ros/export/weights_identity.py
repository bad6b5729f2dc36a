"""What tells weights apart without keeping them: a few numbers of a few of their tensors.

A manifest's `source` says where a bundle's weights come from. It is read without PyTorch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose, prod

import numpy as np

#: Keys in a manifest's `source`: the file, the hash of the file, numbers from it, or the seed.
CHECKPOINT = "checkpoint"
CHECKPOINT_SHA256 = "checkpoint_sha256"
#: Whose names the file has and where the model lies in it; the types of the loaded tensors.
CHECKPOINT_FORM = "checkpoint_form"
CHECKPOINT_STORAGE = "checkpoint_storage"
WEIGHTS_SAMPLES = "weights_samples"
RANDOM_SEED = "random_seed"

#: The biases of the tracker's last layers for the IoU of its masks, and for its object score.
IOU_BIAS = "tracker.sam_mask_decoder.iou_prediction_head.layers.2.bias"
SCORE_BIAS = "tracker.sam_mask_decoder.pred_obj_score_head.layers.2.bias"

#: By which the video cases multiply the latter.
_SCORE_FACTOR = 16.0
_TENSORS = 3
_NUMBERS = 4
#: The reference's rule for a bias: standard normal numbers times this.
_SCALE = 0.02
#: Weights may be kept in fp16 or bf16.
_RELATIVE, _ABSOLUTE = 1e-2, 1e-6

#: The first numbers of tensors, by their names.
Samples = Mapping[str, tuple[float, ...]]


def weights_samples(
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], Iterable[float]],
    used: Iterable[str],
) -> str:
    """Return the first numbers of some biases, as `NAME: NUMBER NUMBER ...; ...`.

    shapes: of the checkpoint's tensors. read: returns the numbers of a bias. used: the names that
    the model loads. Biases are short and differ from training to training, and a rule says what
    they are in the reference's checkpoints. Those of a tracker's last layers are among them, which
    tell apart checkpoints that differ in what the tracker decides. Empty where no bias has four
    numbers.
    """
    used = list(used)
    names = sorted(
        name
        for name in used
        if name.endswith(".bias") and len(shapes[name]) == 1 and prod(shapes[name]) >= _NUMBERS
    )
    chosen = [names[len(names) * i // _TENSORS] for i in range(_TENSORS)] if names else []
    chosen += sorted({IOU_BIAS, SCORE_BIAS}.intersection(used))
    return "; ".join(
        f"{name}: {' '.join(f'{x:.9g}' for x in [*read(name)][:_NUMBERS])}"
        for name in dict.fromkeys(chosen)
    )


def parsed_samples(text: str) -> Samples:
    """Return the samples that weights_samples wrote, empty for another text."""
    found: dict[str, tuple[float, ...]] = {}
    for entry in text.split(";"):
        name, _, numbers = entry.strip().partition(": ")
        try:
            found[name] = tuple(float(each) for each in numbers.split())
        except ValueError:
            return {}
    return {name: numbers for name, numbers in found.items() if numbers}


@dataclass(frozen=True)
class Adjustment:
    """How the checkpoint of a video case differs from the reference's, as far as samples show it.

    Random weights hardly use their memories and see no object; these do.
    """

    #: Added to the bias of the object score, after it was multiplied.
    score_shift: float
    #: Added to the bias of the four masks' IoU.
    iou_bias: tuple[float, ...]

    def applied(self, name: str, numbers: Sequence[float]) -> Sequence[float]:
        """Return the numbers of a tensor as the case had them."""
        if name == SCORE_BIAS:
            return [_SCORE_FACTOR * each + self.score_shift for each in numbers]
        if name == IOU_BIAS and len(numbers) == len(self.iou_bias):
            return [each + more for each, more in zip(numbers, self.iou_bias, strict=True)]
        return numbers


def filled_by_rule(samples: Samples, seed: int, adjustment: Adjustment | None = None) -> bool:
    """Return whether the reference's checkpoint of this seed has these numbers.

    Its rule: a bias is 0.02 times standard normal numbers of PCG64, seeded with the seed and the
    CRC-32 of the tensor's name. adjustment: of a video case.
    """
    for name, numbers in samples.items():
        expected: Sequence[float] = _bias(name, seed, len(numbers))
        if adjustment is not None:
            expected = adjustment.applied(name, expected)
        pairs = zip(numbers, expected, strict=True)
        if not all(isclose(a, b, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE) for a, b in pairs):
            return False
    return True


def shows_adjustment(samples: Samples) -> bool:
    """Return whether the samples tell the checkpoints of video cases apart."""
    return {IOU_BIAS, SCORE_BIAS} <= samples.keys()


def _bias(name: str, seed: int, count: int) -> list[float]:
    generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    return [_SCALE * float(each) for each in generator.standard_normal(count)]
