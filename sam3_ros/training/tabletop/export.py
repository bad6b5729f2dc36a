"""Exports the trained network as a bundle: one ONNX file a stage, each compared with PyTorch.

Above 300 lines, because the inputs and outputs of all stages are listed in one place.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import (
    ConceptSettings,
    FileRef,
    InteractiveSettings,
    Preprocessing,
    SingleMask,
    TokenizerSettings,
    VideoSettings,
)
from sam3_ros.core.bundle.writer import BundleDescription, BundleWriter
from sam3_ros.core.geometry import ImageSize
from sam3_ros.export.onnx_file import strip_notes
from sam3_ros.training.tabletop.batches import MEAN, STD
from sam3_ros.training.tabletop.corrections import CorrectedPrompts, Corrections
from sam3_ros.training.tabletop.memory import (
    MEMORIES,
    MEMORY_MASK,
    MEMORY_WIDTH,
    POINTER_DIVISOR,
    POINTERS,
    PROMPTED,
    TabletopMemory,
)
from sam3_ros.training.tabletop.network import (
    CONTEXT_LENGTH,
    FINE,
    GRID,
    HEIGHT,
    MASK_GRID,
    MASK_TOKENS,
    MIDDLE,
    QUERIES,
    WIDTH,
    D,
    TabletopNeck,
    TabletopNetwork,
)
from sam3_ros.training.tabletop.phrases import taught_words

log = logging.getLogger(__name__)
START, END, PAD = 49406, 49407, 0
CLIP_LICENCE = Path(__file__).with_name("CLIP-LICENSE.txt")
TOLERANCE = 1e-4
_MAY_BE_NONE = ("boxes", "pointers")
MASK_TOLERANCE = 1e-3


@dataclass(frozen=True)
class StageExport:
    """An example of a stage's tensors, by canonical name."""

    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    #: Axes of inputs that may have any length, and what they count.
    grows: Mapping[str, Mapping[int, str]]


def stage_exports() -> dict[str, StageExport]:
    """Return an example for every stage. Batch is 1: a batch gains nothing on a CPU."""
    t, n, k, p = 19, 2, 3, 4
    rand = torch.rand
    trunk = {
        "trunk_s2": rand(1, 24, *MASK_GRID),
        "trunk_s4": rand(1, 40, 60, 80),
        "trunk_s8": rand(1, 80, *GRID),
        "trunk_s16": rand(1, 128, 15, 20),
    }
    fine, middle, coarse = rand(1, FINE, *MASK_GRID), rand(1, MIDDLE, 60, 80), rand(1, D, *GRID)
    memory = rand(1, GRID[0] * GRID[1], D)
    queries = torch.cat([rand(1, QUERIES, D - 4), rand(1, QUERIES, 4) * 0.3 + 0.2], dim=-1)
    prompt = {"prompt": rand(1, t, D), "prompt_mask": torch.arange(t)[None] < t - 5}
    prompt_grows = {"prompt": {1: "tokens"}, "prompt_mask": {1: "tokens"}}
    ids = torch.tensor([[START, 518, 736, 11353, END] + [PAD] * (CONTEXT_LENGTH - 5)])
    boxes = rand(1, n, 4) * 0.3 + 0.2
    box_labels, box_mask = torch.tensor([[1, 0]]), torch.tensor([[True, True]])
    return {
        "image_trunk": StageExport({"pixel_values": rand(1, 3, HEIGHT, WIDTH)}, tuple(trunk), {}),
        "detector_neck": StageExport(trunk, ("fpn0", "fpn1", "fpn2"), {}),
        "tracker_neck": StageExport(trunk, ("sam_s0", "sam_s1", "sam_embed", "frame_features"), {}),
        "text": StageExport({"input_ids": ids}, ("text_features", "text_mask"), {}),
        "geometry": StageExport(
            {"boxes": boxes, "box_labels": box_labels, "box_mask": box_mask, "fpn2": coarse},
            ("geometry_features", "geometry_mask"),
            {name: {1: "boxes"} for name in ("boxes", "box_labels", "box_mask")},
        ),
        "fusion": StageExport({"fpn2": coarse, **prompt}, ("memory",), prompt_grows),
        "decoder": StageExport(
            {"memory": memory, **prompt}, ("queries", "pred_boxes", "presence"), prompt_grows
        ),
        "scoring": StageExport({"queries": queries, **prompt}, ("logits",), prompt_grows),
        "segmentation": StageExport(
            {"fpn0": fine, "fpn1": middle, "memory": memory, "queries": queries[:, :k]},
            ("masks",),
            {"queries": {1: "kept"}},
        ),
        "prompt_encoder": StageExport(
            {
                "point_coords": rand(1, p, 2) * HEIGHT,
                "point_labels": torch.tensor([[2, 3, 1, 0]]),
                "mask_input": rand(1, 1, *MASK_GRID),
                "has_mask": torch.ones(1),
            },
            ("sparse", "dense"),
            {"point_coords": {1: "points"}, "point_labels": {1: "points"}},
        ),
        "mask_decoder": StageExport(
            {
                "sam_embed": coarse,
                "sam_s0": fine,
                "sam_s1": middle,
                "sparse": rand(1, p + 1, D),
                "dense": rand(1, D, *GRID),
            },
            ("sam_masks", "sam_iou", "object_score", "sam_tokens"),
            {"sparse": {1: "prompt_tokens"}},
        ),
        **_memory_exports(),
    }


def _memory_exports() -> dict[str, StageExport]:
    rand = torch.rand
    objects, memories, pointers = 2, 3, 4
    score = torch.tensor([[1.0], [-1.0]])
    return {
        "memory_encoder": StageExport(
            {
                "frame_features": rand(1, D, *GRID),
                "fpn2": rand(1, D, *GRID),
                "memory_mask": rand(objects, 1, *MEMORY_MASK),
                "object_score": score,
            },
            ("mask_memory",),
            {name: {0: "objects"} for name in ("memory_mask", "object_score")},
        ),
        "memory_attention": StageExport(
            {
                "frame_features": rand(1, D, *GRID),
                "fpn2": rand(1, D, *GRID),
                "memories": rand(memories, MEMORY_WIDTH, *GRID),
                "memory_ages": torch.tensor([0, 2, 1]),
                "object_pointers": rand(pointers, D),
                "pointer_ages": rand(pointers),
            },
            ("tracked_embed",),
            {
                **{name: {0: "memories"} for name in ("memories", "memory_ages")},
                **{name: {0: "pointers"} for name in ("object_pointers", "pointer_ages")},
            },
        ),
        "object_pointer": StageExport(
            {"sam_tokens": rand(objects, MASK_TOKENS, D), "object_score": score},
            ("pointers",),
            {name: {0: "objects"} for name in ("sam_tokens", "object_score")},
        ),
        "mask_prompt": StageExport(
            {"object_mask": rand(objects, 1, *MEMORY_MASK)},
            ("mask_prompt",),
            {"object_mask": {0: "objects"}},
        ),
    }


class _TrackerNeck(nn.Module):
    """The tracker neck, whose coarse map goes to the memories too."""

    def __init__(self, neck: TabletopNeck) -> None:
        super().__init__()
        self.neck = neck

    def forward(self, s2: Tensor, s4: Tensor, s8: Tensor, s16: Tensor) -> tuple[Tensor, ...]:
        fine, middle, coarse = self.neck(s2, s4, s8, s16)
        return fine, middle, coarse, coarse.clone()


def stages_of(
    network: TabletopNetwork, memory: TabletopMemory, corrections: Corrections
) -> dict[str, nn.Module]:
    """Return the stages by their names in the bundle."""
    return {
        **dict(network.named_children()),
        **dict(memory.named_children()),
        "tracker_neck": _TrackerNeck(network.tracker_neck),
        "prompt_encoder": CorrectedPrompts(network.prompt_encoder, corrections),
    }


def export_bundle(
    network: TabletopNetwork,
    memory: TabletopMemory,
    corrections: Corrections,
    tokenizer: Tokenizer,
    target: Path,
    source: Mapping[str, str],
) -> Bundle:
    """Write the bundle at `target`, replacing one that is there.

    Raises RuntimeError where a stage's ONNX outputs differ from PyTorch's by more than TOLERANCE
    (masks: MASK_TOLERANCE) of their scale.
    """
    stages = stages_of(network.eval(), memory.eval(), corrections.eval())
    with TemporaryDirectory() as folder, BundleWriter(target, replace_existing=True) as writer:
        differences: dict[str, float] = {}
        for name, example in stage_exports().items():
            path = Path(folder) / f"{name}.onnx"
            write_onnx(stages[name], example, path)
            differences[name] = largest_difference(stages[name], example, path)
            log.info("%s: %d bytes, differs by %.1e", name, path.stat().st_size, differences[name])
            same = {tensor: tensor for tensor in example.inputs}
            outputs = {tensor: tensor for tensor in example.outputs}
            writer.add_stage(name, same, outputs, {"fp32": path})
        tokenizer_path = Path(folder) / "tokenizer.json"
        tokenizer.save(str(tokenizer_path), pretty=False)
        reference = writer.add_file(tokenizer_path, "tokenizer.json")
        writer.add_file(CLIP_LICENCE, CLIP_LICENCE.name)  # its licence asks for it
        return writer.finish(_description(reference, source, differences))


def write_onnx(stage: nn.Module, example: StageExport, path: Path) -> None:
    """Write one stage as an ONNX file with the canonical tensor names."""
    grows = {
        name: dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for name, axes in example.grows.items()
    }
    shapes = tuple(grows.get(name) for name in example.inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            stage,
            tuple(example.inputs.values()),
            str(path),
            input_names=list(example.inputs),
            output_names=list(example.outputs),
            dynamic_shapes=shapes,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    strip_notes(path)


def largest_difference(stage: nn.Module, example: StageExport, path: Path) -> float:
    """Return the largest absolute difference to PyTorch, also at other lengths of growing axes."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for inputs in (example.inputs, _shortened(example, 1), _shortened(example, 0)):
        with torch.no_grad():
            wanted = stage(*inputs.values())
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        feeds = {name: tensor.numpy() for name, tensor in inputs.items()}
        found = session.run(list(example.outputs), feeds)
        for name, ours, theirs in zip(example.outputs, found, wanted, strict=True):
            difference = float(np.abs(ours.astype(np.float64) - theirs.numpy()).max())
            allowed = MASK_TOLERANCE if "masks" in name else TOLERANCE
            if difference > allowed * max(1.0, float(theirs.float().abs().max())):
                raise RuntimeError(
                    f"{path.name}: {name} differs from PyTorch by {difference:.1e}, at most "
                    f"{allowed:.0e} of its scale is allowed; the export changed the stage"
                )
            worst = max(worst, difference)
    return worst


def _shortened(example: StageExport, length: int) -> dict[str, Tensor]:
    """Cut the growing axes to `length`; only of boxes and pointers there may be none."""
    inputs = dict(example.inputs)
    for name, axes in example.grows.items():
        for axis, meaning in axes.items():
            inputs[name] = inputs[name].narrow(axis, 0, length if meaning in _MAY_BE_NONE else 1)
    return inputs


#: When it is believed that an object is seen; chosen on films of other seeds than the evaluation's.
SEEN_ABOVE, FOUND_ABOVE, FARTHEST, TAKEN_ABOVE = 0.75, 4.0, 2.0, 0.5


def concept_settings(tokenizer: FileRef) -> ConceptSettings:
    """Return how the network reads texts, and all words that it knows."""
    return ConceptSettings(
        TokenizerSettings(tokenizer, CONTEXT_LENGTH, START, END, PAD, cleaning="clip"),
        vocabulary=taught_words(),
    )


def video_settings() -> VideoSettings:
    """Return how the stages that remember are used."""
    mask = ImageSize(*MEMORY_MASK)
    return VideoSettings(
        mask,
        mask,
        mask,
        MEMORIES,
        PROMPTED,
        POINTERS,
        POINTER_DIVISOR,
        seen_above=SEEN_ABOVE,
        found_above=FOUND_ABOVE,
        farthest=FARTHEST,
        taken_above=TAKEN_ABOVE,
    )


def _description(
    tokenizer: FileRef, source: Mapping[str, str], differences: Mapping[str, float]
) -> BundleDescription:
    return BundleDescription(
        name="tabletop",
        description="Coloured shapes on a table, trained on scenes rendered with MuJoCo",
        licence="Apache-2.0; tokenizer vocabulary: MIT, (c) OpenAI, github.com/openai/CLIP",
        source=source,
        preprocessing=Preprocessing(
            HEIGHT, WIDTH, (MEAN,) * 3, (STD,) * 3, fit="stretch", interpolation="area"
        ),
        concept=concept_settings(tokenizer),
        interactive=InteractiveSettings(
            prompt_space=ImageSize(HEIGHT, WIDTH),
            padding_point="inside",
            mask_input=ImageSize(*MASK_GRID),
            multimask_max_points=1,
            single_mask=SingleMask("first"),
            object_score="gate",
            mask_fit="direct",
        ),
        video=video_settings(),
        verification={
            "onnx_against_pytorch": {
                "largest_absolute_difference": {
                    k: float(f"{v:.2e}") for k, v in differences.items()
                }
            }
        },
    )
