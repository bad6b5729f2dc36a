"""Weights for a network without a checkpoint: random, at the scales of a trained network.

The module that owns a tensor decides its distribution. Its numbers follow from the seed and its
name in the original's checkpoint, so they do not depend on the order of filling or on other
tensors.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Generator, Tensor, nn

from sam3_ros.export.bindings import Shape, joined, original_shapes, split
from sam3_ros.export.network import Network
from sam3_ros.export.weights.batch_norms import BatchNorm

_TRANSPOSED_CONVOLUTIONS = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
#: At 1, a hundred layers of untrained branches amplify a rounding error by thousands (RepViT-M2.3),
#: and no two engines agree; much lower, and the features no longer depend on the image.
BATCH_NORM_SCALE = 0.8
#: Names that several originals give to the scale of a residual branch.
_BRANCH_SCALES = ("gamma", "layer_scale", "lambda1", "lambda2")
#: A query is multiplied by them without the scale of attention: at 1 it would see one key alone.
_RELATIVE_PLACES = "rel_pos"


def fill_randomly(network: Network, seed: int) -> None:
    """Fill every parameter and buffer; integers other than a batch norm's count stay as built.

    Matrices and kernels keep the variance of what passes through them, norms scale by about 1,
    batch norms by BATCH_NORM_SCALE, learned tokens and embeddings are unit normal, scales of
    residual branches and relative places about 0.1. Run calibrate_batch_norms afterwards.
    """
    own = network.state_dict(keep_vars=True)
    owners = dict(network.named_modules())
    with torch.no_grad():
        for binding in network.bindings():
            targets = [own[name] for name in binding.targets]
            owner, _, leaf = binding.targets[0].rpartition(".")
            if not targets[0].is_floating_point():
                _reset_count(leaf, targets)
                continue
            originals = [
                _random(owners[owner], leaf, name, shape, _generator(seed, name))
                for name, shape in zip(
                    binding.originals, original_shapes(binding, targets), strict=True
                )
            ]
            parts = split(joined(originals), [tuple(target.shape) for target in targets])
            for target, part in zip(targets, parts, strict=True):
                target.copy_(part)


def _reset_count(leaf: str, targets: list[Tensor]) -> None:
    if leaf == "num_batches_tracked":
        for target in targets:
            target.zero_()


def _generator(seed: int, name: str) -> Generator:
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _random(module: nn.Module, leaf: str, name: str, shape: Shape, generator: Generator) -> Tensor:
    mean, deviation = _scale(module, leaf, name, shape)
    noise = torch.randn(shape, generator=generator)
    if leaf == "running_var":
        noise.abs_()
    return noise.mul_(deviation).add_(mean)


def _scale(module: nn.Module, leaf: str, name: str, shape: Shape) -> tuple[float, float]:
    """Return mean and standard deviation."""
    last = name.rpartition(".")[2]
    if last.startswith(_BRANCH_SCALES):
        return 0.1, 0.02
    if last.startswith(_RELATIVE_PLACES):
        return 0.0, 0.1
    if leaf == "running_var":
        return 1.0, 0.1
    if leaf == "running_mean" or leaf.endswith("bias"):
        return 0.0, 0.02
    if isinstance(module, nn.Embedding) or not leaf.endswith("weight"):
        return 0.0, 1.0
    if isinstance(module, BatchNorm):
        return BATCH_NORM_SCALE, 0.05
    if len(shape) < 2:
        return 1.0, 0.05
    return 0.0, 1 / math.sqrt(_inputs_of_an_output(module, shape))


def _inputs_of_an_output(module: nn.Module, shape: Shape) -> float:
    if not isinstance(module, _TRANSPOSED_CONVOLUTIONS):
        return math.prod(shape[1:])
    kernel = math.prod(shape[2:]) / math.prod(module.stride)  # inputs that meet in one output
    return max(1.0, shape[0] / module.groups * kernel)
