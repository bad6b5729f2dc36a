"""A network of two stages with every kind of weight: packed, split, norms, counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sam3_ros.core.bundle.manifest import Preprocessing
from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export import fills
from sam3_ros.export.bindings import SAME_NAMES, NameRules
from sam3_ros.export.family import NO_NOTES, Component, ModelSettings, Notes, Shapes, Unneeded
from sam3_ros.export.network import PARTS, Network
from sam3_ros.export.stage import StageModule, TensorInput

SIDE = 32  # px
WORDS = 11


class SmallImage(StageModule):
    """A trunk with batch norms, the last of a residual branch."""

    outputs = ("trunk",)
    original_names = SAME_NAMES.under("image.")

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.branch = nn.Conv2d(width, width, 1, bias=False)
        self.branch_norm = nn.BatchNorm2d(width)
        self.up = nn.ConvTranspose2d(width, width, 2, stride=2)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {"pixel_values": TensorInput((1, 3, SIDE, SIDE), fills.unit_features)}

    def forward(self, pixel_values: Tensor) -> tuple[Tensor]:
        x = self.norm(self.stem(pixel_values)).relu()
        return (self.up(x + self.branch_norm(self.branch(x))),)


def token_ids(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(1, WORDS, shape, generator=generator)


class SmallText(StageModule):
    """q, k and v apart where the original packs them; two embeddings in one that it keeps apart."""

    outputs = ("text_features",)
    original_names = NameRules(
        (
            (r"q_proj\.(weight|bias)", r"text.attn.in_proj_\1#0"),
            (r"k_proj\.(weight|bias)", r"text.attn.in_proj_\1#1"),
            (r"v_proj\.(weight|bias)", r"text.attn.in_proj_\1#2"),
            (r"kinds\.weight", ("text.kinds.0.weight", "text.kinds.1.weight")),
            (r"scale", r"text.gamma"),
            (r"(.*)", r"text.\1"),
        )
    )

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, width)
        self.kinds = nn.Embedding(2, width)
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.widen = nn.Linear(width, 2 * width, bias=False)
        self.scale = nn.Parameter(torch.empty(2 * width))
        self.start = nn.Parameter(torch.empty(1, 1, 2 * width))
        self.norm = nn.LayerNorm(2 * width)
        self.token_norm = nn.BatchNorm1d(2 * width)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {"input_ids": TensorInput(("prompts", "tokens"), token_ids)}

    def forward(self, input_ids: Tensor) -> tuple[Tensor]:
        x = self.words(input_ids) + self.kinds.weight[0] - self.kinds.weight[1]
        weights = (self.q_proj(x) @ self.k_proj(x).transpose(1, 2)).softmax(-1)
        x = self.widen(x + weights @ self.v_proj(x)) * self.scale + self.start
        return (self.token_norm(self.norm(x).transpose(1, 2)).transpose(1, 2),)


@dataclass(frozen=True)
class SmallArchitecture:
    width: int

    @property
    def variant(self) -> str:
        return f"width-{self.width}"


class SmallFamily:
    """A Family that stands in for the real ones."""

    name = "small"
    title = "Small"
    licence = "none"
    parts = PARTS
    variants = ("width-8",)
    components = (
        Component("image encoder / stem", "image.", "image_trunk"),
        Component("image encoder / branch", "image.branch", "image_trunk"),
        Component("text encoder", "text.", "text"),
        Component("teacher", "image.teacher.", ""),
    )
    unneeded = (
        Unneeded(r"image\.teacher\..*", "the teacher", training_only=True),
        Unneeded(r"text\.end_token", "answers with every token"),
    )

    def recognise(self, shapes: Shapes, notes: Notes = NO_NOTES) -> SmallArchitecture:  # noqa: ARG002
        if "image.norm.weight" not in shapes:
            raise CheckpointError("no image.norm.weight: this is no Small checkpoint")
        return SmallArchitecture(shapes["image.norm.weight"][0])

    def architecture(self, variant: str) -> SmallArchitecture:
        if variant not in self.variants:
            raise ExportError(f"no variant {variant}")
        return SmallArchitecture(8)

    def default_input_size(self, architecture: SmallArchitecture) -> int:  # noqa: ARG002
        return SIDE

    def build(self, architecture: SmallArchitecture, input_size: int = SIDE) -> Network:
        assert input_size == SIDE
        stages: dict[str, StageModule] = {
            "image_trunk": SmallImage(architecture.width),
            "text": SmallText(architecture.width),
        }
        return Network(stages, dict.fromkeys(stages, PARTS)).eval()

    def settings(self, architecture: SmallArchitecture, input_size: int) -> ModelSettings:  # noqa: ARG002
        half = (0.5, 0.5, 0.5)
        frame = Preprocessing(SIDE, SIDE, half, half, fit="stretch", interpolation="bilinear")
        return ModelSettings(frame, None, 7)


FAMILY = SmallFamily()


def small_network(seed: int = 1) -> Network:
    """Return the network with random weights and calibrated batch norms."""
    from sam3_ros.export.weights.batch_norms import calibrate_batch_norms
    from sam3_ros.export.weights.random_weights import fill_randomly

    network = FAMILY.build(SmallArchitecture(8))
    fill_randomly(network, seed)
    calibrate_batch_norms(network, seed)
    return network


def small_tensors(seed: int = 1) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint of the small network, by the original's names."""
    from sam3_ros.export.weights.loading import original_tensors

    return {name: tensor.clone() for name, tensor in original_tensors(small_network(seed))}
