"""Begins a training with the weights of a bundle, in place of the training of the image stages."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ExportError
from sam3_ros.training.tabletop.batches import Batches
from sam3_ros.training.tabletop.dataset import SceneFiles
from sam3_ros.training.tabletop.losses import Objective
from sam3_ros.training.tabletop.network import TabletopNetwork
from sam3_ros.training.tabletop.stage_weights import found_weights

#: Batches of eight to measure what a norm sees.
_BATCHES, _SEED = 12, 77
#: The mask decoder's file has the places of cells, but not the waves that they are made of. Both
#: keep those drawn.
_DRAWN = {"prompt_encoder": "fourier.directions", "mask_decoder": "fourier.directions"}
log = logging.getLogger(__name__)


def begin_with(
    network: TabletopNetwork,
    bundle: Bundle,
    files: SceneFiles,
    encode: Callable[[str], np.ndarray],
) -> None:
    """Fill the network with what the bundle's files have of it; name in the log what they lack.

    Raises ExportError for a file without a weight of its stage.
    """
    for name, stage in network.named_children():
        found = found_weights(stage, bundle.stage_file(name, "fp32"))
        found.pop(_DRAWN.get(name, ""), None)
        own = stage.state_dict()
        known = {
            key: found[key] for key in own if key in found and found[key].shape == own[key].shape
        }
        stage.load_state_dict(known, strict=False)
        lacking = [key for key, _ in stage.named_parameters() if key not in known]
        if len(lacking) == len(list(stage.parameters())):
            raise ExportError(
                f"{bundle.stage_file(name, 'fp32')}: expected weights of {type(stage).__name__}, "
                "but it has none; take a bundle that the tabletop's training exported"
            )
        if lacking:
            log.info("%s: as drawn: %s", name, ", ".join(lacking))
    renew_norms(network, Batches(files, encode, 8, range(_BATCHES), _SEED))


@torch.no_grad()
def renew_norms(network: TabletopNetwork, batches: Batches) -> None:
    """Give the batch norms the statistics of what they see, and change no answer.

    An export makes a norm part of the convolution before it. What is left of it takes its input for
    normalised, and would change it where it learns.
    """
    sums: dict[nn.BatchNorm2d, Tensor] = {}

    def add(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        x = inputs[0].double().transpose(0, 1).flatten(1)
        moments = torch.stack([torch.ones_like(x).sum(1), x.sum(1), (x * x).sum(1)])
        sums[norm] = sums.get(norm, 0) + moments

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_hook(add) for norm in norms]
    objective = Objective(network).eval()
    for batch in batches:
        objective(batch)
    for hook in hooks:
        hook.remove()
    for norm, (count, total, squares) in sums.items():
        mean, variance = total / count, (squares / count - (total / count) ** 2).clamp(min=1e-8)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias += scale * (mean.float() - norm.running_mean)
        norm.weight.copy_(scale * (variance.float() + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
