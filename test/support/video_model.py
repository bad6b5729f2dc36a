"""A tiny model with video stages, in numpy: of no use, but every output depends on every input.

The input is 48 x 64 px, so the grid is 3 x 4 cells: not square. A dark image shows no object.
Stages are sessions, the one seam at which tests put something else; a session can be told to fail,
and records what it is fed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sam3_ros.core.bundle.manifest import (
    InteractiveSettings,
    Manifest,
    Preprocessing,
    StageEntry,
    StageFile,
    VideoSettings,
)
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.session import Array, TensorSpec

INPUT, GRID, MASK = ImageSize(48, 64), (3, 4), ImageSize(12, 16)
MEMORY_MASK, OBJECT_MASK, CUT_AT = ImageSize(24, 32), ImageSize(48, 64), ImageSize(36, 48)
WIDTH, MEMORY_WIDTH = 8, 4

Feeds = Mapping[str, Array]
Run = Callable[[Feeds], dict[str, Array]]

_random = np.random.default_rng(7)


def _weights(*shape: int) -> Array:
    return (_random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)


IMAGE, FINE, TO_MEMORY, FROM_MEMORY = (
    _weights(3, WIDTH),
    _weights(3, WIDTH),
    _weights(WIDTH, MEMORY_WIDTH),
    _weights(MEMORY_WIDTH, WIDTH),
)
MASK_CHANNELS, NO_OBJECT = _weights(1, MEMORY_WIDTH)[0], _weights(1, MEMORY_WIDTH)[0]
MASKS, IOUS, POINT, POINTER = _weights(4, WIDTH), _weights(4, WIDTH), _weights(2, 4), _weights(8, 8)
NO_POINTER = np.full(WIDTH, -9, np.float32)


def pooled(values: Array, rows: int, columns: int) -> Array:
    """Return the mean over blocks of the last two axes."""
    *others, height, width = values.shape
    blocks = values.reshape(*others, rows, height // rows, columns, width // columns)
    return blocks.mean((-3, -1))


def on_channels(values: Array, weights: Array) -> Array:
    """Return [N,d,h,w] of [N,c,h,w], by weights [c,d]."""
    return np.einsum("nchw,cd->ndhw", values, weights).astype(np.float32)


def image(feeds: Feeds) -> dict[str, Array]:
    pixels = feeds["pixel_values"]
    features = on_channels(pooled(pixels, *GRID), IMAGE)
    return {
        "frame_features": features,
        "sam_embed": features + np.float32(0.5),
        "sam_s0": on_channels(pooled(pixels, *MASK), FINE),
        "brightness": pixels.mean(keepdims=True).reshape(1, 1).astype(np.float32),
    }


def mask_prompt(feeds: Feeds) -> dict[str, Array]:
    return {"mask_prompt": 6 * pooled(feeds["object_mask"], *MASK) - 3}


def memory_encoder(feeds: Feeds) -> dict[str, Array]:
    memory = on_channels(feeds["frame_features"], TO_MEMORY)
    masks = pooled(feeds["memory_mask"], *GRID) * MASK_CHANNELS[None, :, None, None]
    absent = (feeds["object_score"] <= 0)[:, :, None, None] * NO_OBJECT[None, :, None, None]
    return {"mask_memory": (memory + 3 * masks + absent).astype(np.float32)}


def memory_attention(feeds: Feeds) -> dict[str, Array]:
    weights = 1 / (2 + feeds["memory_ages"].astype(np.float32))
    seen = np.einsum("m,mchw->chw", weights, feeds["memories"])[None]
    named = (feeds["object_pointers"] * np.cos(feeds["pointer_ages"])[:, None]).sum(0)
    tracked = feeds["frame_features"] + on_channels(seen, FROM_MEMORY)
    return {"tracked_embed": (tracked + 0.1 * named[None, :, None, None]).astype(np.float32)}


def decoder(feeds: Feeds) -> dict[str, Array]:
    embed = feeds["sam_embed"] + 0.2 * pooled(feeds["mask_input"], *GRID) * feeds["has_mask"]
    scale = (MASK.height // GRID[0], MASK.width // GRID[1])
    fine = embed.repeat(scale[0], 2).repeat(scale[1], 3) + feeds["sam_s0"]
    shown = np.where(feeds["point_labels"] < 0, 0, feeds["point_labels"] + 1)
    points = (feeds["point_coords"] / 64 * shown[..., None]).sum(1) @ POINT
    tokens = MASKS[None] * (1 + embed.mean((2, 3))[:, None]) + points[:, :, None]
    masks = np.einsum("ntd,ndhw->nthw", tokens, fine)
    return {
        "sam_masks": masks.astype(np.float32),
        "sam_iou": (1 / (1 + np.exp(-(tokens * IOUS).sum(2)))).astype(np.float32),
        "object_score": (8 * feeds["brightness"] + 4).astype(np.float32),
        "sam_tokens": tokens.astype(np.float32),
    }


def object_pointer(feeds: Feeds) -> dict[str, Array]:
    there = feeds["object_score"][:, :, None] > 0
    pointers = np.where(there, feeds["sam_tokens"] @ POINTER, NO_POINTER)
    return {"pointers": pointers.astype(np.float32)}


RUNS: Mapping[str, Run] = {
    each.__name__: each
    for each in (image, mask_prompt, memory_encoder, memory_attention, decoder, object_pointer)
}
_INPUTS: Mapping[str, tuple[str, ...]] = {
    "image": ("pixel_values",),
    "mask_prompt": ("object_mask",),
    "memory_encoder": ("frame_features", "memory_mask", "object_score"),
    "memory_attention": (
        *("frame_features", "memories", "memory_ages", "object_pointers", "pointer_ages"),
    ),
    "decoder": (
        *("sam_embed", "sam_s0", "brightness", "point_coords", "point_labels"),
        *("mask_input", "has_mask"),
    ),
    "object_pointer": ("sam_tokens", "object_score"),
}
_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "image": ("frame_features", "sam_embed", "sam_s0", "brightness"),
    "mask_prompt": ("mask_prompt",),
    "memory_encoder": ("mask_memory",),
    "memory_attention": ("tracked_embed",),
    "decoder": ("sam_masks", "sam_iou", "object_score", "sam_tokens"),
    "object_pointer": ("pointers",),
}
_INTEGERS = {"memory_ages", "point_labels"}
_SQUARE = {"object_score", "sam_iou", "object_pointers", "point_labels", "brightness"}
_RANKS = {
    "memory_ages": 1,
    "pointer_ages": 1,
    "has_mask": 1,
    "point_coords": 3,
    "sam_tokens": 3,
    "pointers": 3,
}


class StageSession:
    """A stage as a session. `fails`: raise it in the next run. `changes`: of its outputs."""

    provider = "numpy"

    def __init__(self, name: str, log: list[tuple[str, dict[str, Array]]]) -> None:
        self.inputs, self.outputs = (
            {each: _spec(each) for each in sides[name]} for sides in (_INPUTS, _OUTPUTS)
        )
        self._name, self._log = name, log
        self.fails: Exception | None = None
        self.changes: Callable[[dict[str, Array]], dict[str, Array]] = lambda outputs: outputs

    def run(self, feeds: Feeds) -> dict[str, Array]:
        if self.fails is not None:
            raise self.fails
        self._log.append((self._name, dict(feeds)))
        return self.changes(RUNS[self._name](feeds))

    def close(self) -> None:
        """Do nothing: numpy keeps nothing."""


class VideoModel:
    """The model with its manifest, its sessions by name, and what they were fed."""

    def __init__(self, **changes: Any) -> None:
        """changes: of VideoSettings."""
        self.fed: list[tuple[str, dict[str, Array]]] = []
        self.manifest = _manifest(**changes)
        self.sessions = {name: StageSession(name, self.fed) for name in RUNS}
        self.graph = StageGraph(self.manifest.stages.values(), self._open)

    def embedding(self, rgb: Array) -> ImageEmbedding:
        return ImageEmbedding.of(rgb, self.manifest, self.graph)

    def feeds_of(self, stage: str) -> list[dict[str, Array]]:
        """Return what a stage was fed, run by run."""
        return [feeds for name, feeds in self.fed if name == stage]

    def _open(self, stage: StageSpec) -> StageSession:
        return self.sessions[stage.name]


def scene(seed: int, *, dark: bool = False, size: tuple[int, int] = (60, 90)) -> Array:
    """Return an image uint8 [H,W,3]; in a dark one the model sees no object."""
    random = np.random.default_rng(seed)
    low, high = (0, 40) if dark else (60, 256)
    blocks = random.integers(low, high, (size[0] // 10, size[1] // 10, 3))
    return blocks.repeat(10, 0).repeat(10, 1).astype(np.uint8)


def _manifest(**changes: Any) -> Manifest:
    file = {"fp32": StageFile("stage.onnx", "0" * 64, 1)}
    half = (0.5, 0.5, 0.5)
    return Manifest(
        name="tiny_video",
        description="for tests",
        licence="Apache-2.0",
        source={},
        preprocessing=Preprocessing(INPUT.height, INPUT.width, half, half),
        stages={
            name: StageEntry(
                name, *({each: each for each in sides[name]} for sides in (_INPUTS, _OUTPUTS)), file
            )
            for name in RUNS
        },
        interactive=InteractiveSettings(prompt_space=INPUT, mask_input=MASK),
        video=VideoSettings(
            **{
                "memory_mask": MEMORY_MASK,
                "object_mask": OBJECT_MASK,
                "cut_at": CUT_AT,
                **changes,
            }
        ),
    )


def _spec(name: str) -> TensorSpec:
    rank = 2 if name in _SQUARE else _RANKS.get(name, 4)
    dtype = np.dtype(np.int64 if name in _INTEGERS else np.float32)
    return TensorSpec(name, dtype, (None,) * rank)
