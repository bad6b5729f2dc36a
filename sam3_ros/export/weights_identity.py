"""What tells weights apart without keeping them: a few numbers of a few of their tensors.

A manifest's `source` says where a bundle's weights come from. It is read without PyTorch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from math import isclose, prod

import numpy as np

#: Keys in a manifest's `source`: the file, the hash of the file, numbers from it, or the seed.
CHECKPOINT = "checkpoint"
CHECKPOINT_SHA256 = "checkpoint_sha256"
WEIGHTS_SAMPLES = "weights_samples"
RANDOM_SEED = "random_seed"

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
    they are in the reference's checkpoints. Empty where none has four numbers.
    """
    names = sorted(
        name
        for name in used
        if name.endswith(".bias") and len(shapes[name]) == 1 and prod(shapes[name]) >= _NUMBERS
    )
    chosen = [names[len(names) * i // _TENSORS] for i in range(_TENSORS)] if names else []
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


def filled_by_rule(samples: Samples, seed: int) -> bool:
    """Return whether the reference's checkpoint of this seed has these numbers.

    Its rule: a bias is 0.02 times standard normal numbers of PCG64, seeded with the seed and the
    CRC-32 of the tensor's name.
    """
    return all(
        isclose(found, expected, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
        for name, numbers in samples.items()
        for found, expected in zip(numbers, _bias(name, seed, len(numbers)), strict=True)
    )


def _bias(name: str, seed: int, count: int) -> list[float]:
    generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    return [_SCALE * float(each) for each in generator.standard_normal(count)]
