"""SAM 3 itself with narrow layers of any number, and its checkpoint as the original saves it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from small_sam3 import DETECTOR, TEXT, TRACKER

from sam3_ros.export.families.sam3 import SAM3
from sam3_ros.export.families.sam3_family import Sam3Architecture
from sam3_ros.export.families.sam3_network import CommonSizes
from sam3_ros.export.models.trunks.recognise import TrunkArchitecture
from sam3_ros.export.models.trunks.sam3_vit import Sam3VitSizes
from sam3_ros.export.models.trunks.trunk import PATCH, TRUNK
from sam3_ros.export.network import Network
from sam3_ros.export.weights.batch_norms import calibrate_batch_norms
from sam3_ros.export.weights.loading import original_tensors
from sam3_ros.export.weights.random_weights import fill_randomly

INPUT_SIZE = 112


def architecture(vit: Sam3VitSizes, fusion: int, decoder: int, memory: int = 1) -> Sam3Architecture:
    """Return an architecture with these sizes, all else small."""
    trunk = TrunkArchitecture(f"sam3-vit-{vit.depth}x{vit.width}", vit, vit.width)
    return Sam3Architecture(
        trunk,
        CommonSizes(
            replace(TEXT, layers=2),
            replace(
                DETECTOR, trunk_channels=vit.width, fusion_layers=fusion, decoder_layers=decoder
            ),
            replace(TRACKER, trunk_channels=vit.width, memory_layers=memory),
        ),
    )


def filled(sizes: Sam3Architecture, seed: int = 1, input_size: int = INPUT_SIZE) -> Network:
    """Return the network with random weights."""
    network = SAM3.build(sizes, input_size)
    fill_randomly(network, seed)
    calibrate_batch_norms(network, seed)
    return network


def rotary_shapes(vit: Sam3VitSizes, input_size: int = INPUT_SIZE) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the rotary tables that the original saves, by names below TRUNK."""
    grid = input_size // PATCH
    sides = [grid if n in vit.global_blocks else vit.window for n in range(vit.depth)]
    return {
        f"blocks.{number}.attn.freqs_cis": (side * side, vit.head // 2)
        for number, side in enumerate(sides)
    }


def write_original(
    sizes: Sam3Architecture, path: Path, *, tables: bool, input_size: int = INPUT_SIZE
) -> Network:
    """Write random weights of these sizes, with rotary tables or without; return the network."""
    network, vit = filled(sizes, input_size=input_size), sizes.trunk.sizes
    assert isinstance(vit, Sam3VitSizes)
    tensors = {name: tensor.contiguous() for name, tensor in original_tensors(network)}
    if tables:
        shapes = rotary_shapes(vit, input_size).items()
        tensors |= {TRUNK + n: torch.ones(shape, dtype=torch.complex64) for n, shape in shapes}
    safetensors.torch.save_file(tensors, path)
    return network
