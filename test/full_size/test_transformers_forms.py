"""SAM 3 as transformers saves it, at the real sizes: our stages answer as its forward does.

The weights are random. Each case takes minutes and 8 GB of memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import Sam3TrackerModel, Sam3VideoModel
from transformers_models import (
    VIT_NORM_EPS,
    clicked,
    detections,
    filled,
    our_clicked,
    our_detections,
    questions,
)

from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.families.sam3 import SAM3
from sam3_ros.export.forms.in_original_names import in_original_names
from sam3_ros.export.weights.filled_network import from_checkpoint
from sam3_ros.export.weights.loading import why_unfit

pytestmark = pytest.mark.timeout(3600)

INPUT, VOCABULARY, TOKENS = 1008, 49408, 32


def largest_differences(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> dict[str, float]:
    """Return the largest difference of each answer, of its largest number where that exceeds 1."""
    return {
        what: float((ours[what] - expected).abs().max() / max(1.0, expected.abs().max()))
        for what, expected in theirs.items()
    }


def test_every_name_and_shape_is_the_originals() -> None:
    with torch.device("meta"):
        tensors = Sam3VideoModel(Sam3VideoModel.config_class()).state_dict()
        network = SAM3.build(SAM3.architecture("sam3-vit+sam3@32"), INPUT)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    types = dict.fromkeys(shapes, torch.float32)
    file = Checkpoint(Path("model.safetensors"), shapes, types, (), {}, tensors.__getitem__)
    assert why_unfit(network, in_original_names(file), SAM3) is None


@pytest.mark.parametrize("which", ["Sam3VideoModel", "Sam3TrackerModel"])
def test_answers_as_transformers_does(which: str, tmp_path: Path) -> None:
    asked = questions(INPUT, VOCABULARY, TOKENS)
    kind = {"Sam3VideoModel": Sam3VideoModel, "Sam3TrackerModel": Sam3TrackerModel}[which]
    config = kind.config_class()
    sam3 = config.detector_config if which == "Sam3VideoModel" else config
    sam3.vision_config.backbone_config.layer_norm_eps = VIT_NORM_EPS
    model = filled(kind(config), seed=1)
    model.save_pretrained(tmp_path, max_shard_size="1GB")
    if which == "Sam3VideoModel":
        theirs = detections(model.detector_model, asked)
    else:
        theirs = clicked(model, asked["pixel_values"])
    del model
    parts = None if which == "Sam3VideoModel" else ("interactive",)
    network = from_checkpoint(SAM3, tmp_path, INPUT, parts).network
    if which == "Sam3VideoModel":
        ours = our_detections(network, asked)
    else:
        ours = our_clicked(network, asked["pixel_values"])
    found = largest_differences(ours, theirs)
    print(which, ", ".join(f"{name} {value:.2g}" for name, value in found.items()))
    assert all(value <= 1e-4 for value in found.values()), found
    assert all(torch.isfinite(answer).all() for answer in ours.values())
