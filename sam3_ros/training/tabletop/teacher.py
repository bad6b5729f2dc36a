"""The bundle that a smaller one learns from: its answers, its weights and what stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.training.tabletop.batches import Batch
from sam3_ros.training.tabletop.export import largest_difference, stage_exports
from sam3_ros.training.tabletop.network import (
    FINE_GRID,
    TabletopDecoder,
    TabletopFusion,
    TabletopScoring,
    TabletopSegmentation,
)
from sam3_ros.training.tabletop.stage_weights import layers_in, read_weights

StageT = TypeVar("StageT", bound=nn.Module)
#: Stages that no gradient passes through.
_FIXED = ("image_trunk", "detector_neck", "text", "geometry")


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the teacher makes of B images with P prompts each; R is B*P."""

    #: float32 [B,24,120,160] and [B,48,60,80]
    fpn0: Tensor
    fpn1: Tensor
    #: float32 [R,96,30,40]
    fpn2: Tensor
    #: float32 [R,T,96] and bool [R,T]
    prompt: Tensor
    prompt_mask: Tensor
    #: float32 [R,1200,96]
    memory: Tensor
    #: float32 [R,60,80]: logits of where objects are.
    heat: Tensor
    #: int64 [R,Q]: the cells of that grid where its queries began.
    index: Tensor
    #: float32 [R,Q,96], [R,Q,4], [R,1] and [R,Q]
    queries: Tensor
    boxes: Tensor
    presence: Tensor
    logits: Tensor


class Teacher:
    """A tabletop bundle. Its last stages run in PyTorch, with the weights of its ONNX files."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Raises ExportError or RuntimeError where the files are not of the tabletop's network."""
        self.bundle = bundle
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._sessions = {
            name: onnxruntime.InferenceSession(
                str(bundle.stage_file(name, "fp32")), options, providers=["CPUExecutionProvider"]
            )
            for name in _FIXED
        }
        blocks = layers_in(bundle.stage_file("fusion", "fp32"), "blocks")
        layers = layers_in(bundle.stage_file("decoder", "fp32"), "to_memory")
        self.fusion = _read(TabletopFusion(blocks), bundle, "fusion")
        self.decoder = _read(TabletopDecoder(layers), bundle, "decoder")
        self.scoring = _read(TabletopScoring(), bundle, "scoring")
        self.segmentation = _read(TabletopSegmentation(), bundle, "segmentation")

    @torch.no_grad()
    def teach(self, batch: Batch) -> Lesson:
        """Answer all prompts of a batch."""
        prompts = len(batch.input_ids) // len(batch.pixel_values)
        maps = [self._maps(image) for image in batch.pixel_values.numpy()]
        fpn0, fpn1, fpn2 = (torch.cat(parts) for parts in zip(*maps, strict=True))
        fpn2 = fpn2.repeat_interleave(prompts, 0)
        prompt, mask = self._prompts(batch, fpn2)
        memory = self.fusion(fpn2, prompt, mask)
        queries, boxes, presence, heat, points = self.decoder.detail(memory, prompt, mask)
        x, y = (points * torch.tensor([FINE_GRID[1], FINE_GRID[0]])).long().unbind(-1)
        logits = self.scoring(queries, prompt, mask)
        return Lesson(
            fpn0,
            fpn1,
            fpn2,
            prompt,
            mask,
            memory.float(),
            heat,
            y * FINE_GRID[1] + x,
            queries.float(),
            boxes,
            presence.float(),
            logits,
        )

    def _maps(self, image: np.ndarray) -> list[Tensor]:
        trunk = self._run("image_trunk", {"pixel_values": image[None]})
        return list(map(torch.from_numpy, self._run("detector_neck", trunk).values()))

    def _prompts(self, batch: Batch, fpn2: Tensor) -> tuple[Tensor, Tensor]:
        tokens, masks = [], []
        for row in range(len(batch.input_ids)):
            text = self._run("text", {"input_ids": batch.input_ids[row, None].numpy()})
            boxes = {
                "boxes": batch.exemplars,
                "box_labels": batch.exemplar_labels,
                "box_mask": batch.exemplar_mask,
                "fpn2": fpn2,
            }
            given = {name: tensor[row, None].numpy() for name, tensor in boxes.items()}
            geometry = self._run("geometry", given)
            tokens.append(np.hstack([text["text_features"], geometry["geometry_features"]]))
            masks.append(np.hstack([text["text_mask"], geometry["geometry_mask"]]))
        return torch.from_numpy(np.concatenate(tokens)), torch.from_numpy(np.concatenate(masks))

    def _run(self, stage: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        session = self._sessions[stage]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))


def _read(stage: StageT, bundle: Bundle, name: str) -> StageT:
    """Fill a stage from its file, and compare the two."""
    file = bundle.stage_file(name, "fp32")
    read_weights(stage, file)
    stage.eval().requires_grad_(False)
    largest_difference(stage, stage_exports()[name], file)
    return stage
