"""Boxes as prompts: what their tokens depend on, and how features are pooled."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small_detector import small_detector
from torch import Tensor

from sam3_ros.export.models.sam3.geometry import pool_boxes
from sam3_ros.export.stage import StageModule


@pytest.fixture(scope="module")
def geometry() -> StageModule:
    return small_detector()["geometry"]


def boxes_of(stage: StageModule, count: int) -> dict[str, Tensor]:
    inputs = stage.examples({"prompts": 1, "boxes": count}, seed=6)
    return {**inputs, "box_mask": torch.ones(1, count, dtype=torch.bool)}


def test_without_boxes_only_the_cls_token_is_there_and_valid(geometry: StageModule) -> None:
    features, mask = geometry(*boxes_of(geometry, 0).values())
    assert features.shape == (1, 1, 64)
    assert features.isfinite().all()
    assert mask.tolist() == [[True]]


def test_padding_boxes_do_not_matter(geometry: StageModule) -> None:
    inputs = boxes_of(geometry, 3)
    inputs["box_mask"] = torch.tensor([[True, False, False]])
    features, mask = geometry(*inputs.values())
    one = {name: tensor[:, :1] if name != "fpn2" else tensor for name, tensor in inputs.items()}
    expected, _ = geometry(*one.values())
    assert mask.tolist() == [[True, False, False, True]]
    torch.testing.assert_close(features[:, [0, 3]], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("changed", ["boxes", "box_labels", "fpn2"])
def test_a_box_token_depends_on_position_label_and_content(
    geometry: StageModule, changed: str
) -> None:
    inputs = boxes_of(geometry, 1)
    before, _ = geometry(*inputs.values())
    other = {"boxes": inputs["boxes"] * 0.9, "box_labels": 1 - inputs["box_labels"]}
    inputs[changed] = other.get(changed, inputs["fpn2"].flip(2))
    after, _ = geometry(*inputs.values())
    assert (after - before).abs().max() > 1e-3


def roi_align(features: Tensor, corners: np.ndarray, size: int) -> np.ndarray:
    """Pool with ONNX's RoiAlign, an independent implementation of the same rule."""
    node = onnx.helper.make_node(
        "RoiAlign",
        ["features", "rois", "images"],
        ["pooled"],
        coordinate_transformation_mode="output_half_pixel",
        output_height=size,
        output_width=size,
        sampling_ratio=0,
    )
    kinds = {"features": onnx.TensorProto.FLOAT, "rois": onnx.TensorProto.FLOAT}
    inputs = [
        onnx.helper.make_tensor_value_info(name, kind, None)
        for name, kind in {**kinds, "images": onnx.TensorProto.INT64}.items()
    ]
    output = onnx.helper.make_tensor_value_info("pooled", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([node], "roi_align", inputs, [output])
    opset = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    images = np.zeros(len(corners), np.int64)
    feeds = {"features": features.numpy(), "rois": corners, "images": images}
    return np.asarray(session.run(None, feeds)[0])


@pytest.mark.parametrize(
    "box",
    [
        (0.5, 0.5, 0.3, 0.4),
        (0.5, 0.5, 1.0, 1.0),
        (0.31, 0.77, 0.01, 0.6),
        (0.2, 0.2, 0.0, 0.0),
        (0.0, 1.0, 0.4, 0.4),
        (0.02, 0.5, 0.9, 0.2),
        (3.0, 0.5, 0.5, 0.5),
        (1.0, 1.0, 0.05, 0.05),
    ],
    ids=["inside", "whole", "thin", "point", "corner", "left half out", "outside", "last"],
)
def test_boxes_are_pooled_as_roi_align_does(box: tuple[float, ...]) -> None:
    features = torch.randn(1, 5, 30, 30, generator=torch.Generator().manual_seed(0))
    x, y, width, height = box
    sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    expected = roi_align(features, 30 * np.array([sides], np.float32), 7)
    found = pool_boxes(features, torch.tensor([[box]]), 7)
    np.testing.assert_allclose(found[0].numpy(), expected, atol=3e-5)
