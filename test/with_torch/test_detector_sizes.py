"""The detector's sizes and names, read from a checkpoint's tensors."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_detector import SIZES, detector

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import bindings
from sam3_ros.export.models.sam3.sizes import DetectorSizes


def original_shapes(sizes: DetectorSizes) -> dict[str, tuple[int, ...]]:
    """Return the shapes of every tensor that stages of these sizes need from a checkpoint."""
    found = {}
    for stage in detector(sizes).values():
        tensors = stage.state_dict()
        for binding in bindings((name, stage.original_names, name) for name in tensors):
            first, *others = (tuple(tensors[name].shape) for name in binding.targets)
            rows = first[0] + sum(shape[0] for shape in others)
            found[binding.originals[0]] = (rows, *first[1:])
    return found


def test_the_sizes_are_read_from_the_checkpoints_tensors() -> None:
    assert DetectorSizes.from_shapes(original_shapes(SIZES)) == SIZES


def test_as_many_tensors_as_the_published_checkpoint_has() -> None:
    names = original_shapes(replace(DetectorSizes(), width=64, feedforward=96, queries=10))
    counts = {
        prefix: sum(name.startswith(f"detector.{prefix}.") for name in names)
        for prefix in (
            "backbone.vision_backbone.convs",
            "geometry_encoder",
            "transformer.encoder",
            "transformer.decoder",
            "dot_prod_scoring",
            "segmentation_head",
        )
    }
    # The neck has 22, 4 of them unneeded; geometry 76, 6 unneeded; the head 28, 4 unneeded.
    assert counts == {
        "backbone.vision_backbone.convs": 18,
        "geometry_encoder": 70,
        "transformer.encoder": 108,
        "transformer.decoder": 175,
        "dot_prod_scoring": 10,
        "segmentation_head": 24,
    }


@pytest.mark.parametrize("lost", ["transformer.encoder", "geometry_encoder.encode", "convs.2"])
def test_a_checkpoint_without_the_detector_is_refused(lost: str) -> None:
    shapes = {name: shape for name, shape in original_shapes(SIZES).items() if lost not in name}
    with pytest.raises(CheckpointError, match=lost.replace(".", r"\.")):
        DetectorSizes.from_shapes(shapes)


@pytest.mark.parametrize("wrong", [{"queries": 0}, {"width": 60}, {"heads": 7}])
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|is not divisible"):
        replace(SIZES, **wrong)
