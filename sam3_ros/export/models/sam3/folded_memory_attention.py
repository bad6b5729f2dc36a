"""The memory attention as it is exported: the same numbers with less arithmetic.

It has one head, so what stands beside its softmax can be multiplied together beforehand:

- The projection of the values and the one behind the attention are one matrix. In the attention to
  memories the rows that are weighted are then the memories themselves, a quarter as wide as keys.
- The biases of values are added behind the attention, as the weights of a query sum to 1.
- Channels are ordered so that the two of a rotated pair are half a row apart: two contiguous
  halves in place of every other number. Queries and keys are ordered alike, so products are equal.
- The scale of the scores is in the projection of the queries.
- What memories and pointers are before their projection is computed once for all layers.

An engine with an attention operator of its own (`attends_whole`) gets values as wide as the keys:
the fastest kernel of ONNX Runtime's CUDA provider takes no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import get_1d_sine_pe

from sam3_ros.export.attention import attend, attends_whole
from sam3_ros.export.stage import StageModule, TensorInput

#: Queries that attend at a time: their scores stay in a CPU's cache, and products are fast.
QUERIES_AT_A_TIME = 324


@dataclass(frozen=True)
class Positions:
    """What tells places and ages apart."""

    #: f32[g*g,D], added to the features of the frame.
    of_frame: Tensor
    #: f32[1,g*g,m], added to the places of every memory.
    of_memory: Tensor
    #: f32[A,1,m], added to a memory by its age: one frame ago first, frames with clicks last.
    of_ages: Tensor
    #: From the sines of a pointer's age to what is added to each of its tokens.
    of_pointers: nn.Linear
    #: f32[g*g,D] each: the angles by which the pairs of channels of a place are turned.
    cosine: Tensor
    sine: Tensor


class FoldedMemoryAttention(StageModule):
    """What MemoryAttention computes, on tokens f32[N,D]."""

    outputs = ("tracked_embed",)
    shortest: ClassVar[Mapping[str, int]] = {"pointers": 0}
    frame_position: Tensor
    memory_position: Tensor
    age_position: Tensor

    def __init__(
        self,
        inputs: Mapping[str, TensorInput],
        layers: Iterable[nn.Module],
        norm: nn.Module,
        positions: Positions,
    ) -> None:
        """Multiply the current weights. layers: of transformers' memory attention."""
        super().__init__()
        self._inputs, self._grid = inputs, inputs["frame_features"].shape[-1]
        self.layers = nn.ModuleList(_Layer(layer) for layer in layers)
        self.norm, self.pointer_position = norm, positions.of_pointers
        self.turn = _Rotation(positions.cosine, positions.sine)
        self.register_buffer("frame_position", positions.of_frame)
        self.register_buffer("memory_position", positions.of_memory)
        self.register_buffer("age_position", positions.of_ages)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return self._inputs

    def forward(
        self,
        frame_features: Tensor,
        memories: Tensor,
        memory_ages: Tensor,
        object_pointers: Tensor,
        pointer_ages: Tensor,
    ) -> tuple[Tensor, ...]:
        tokens = frame_features[0].flatten(1).transpose(0, 1) + self.frame_position
        seen = memories.flatten(2).transpose(1, 2)
        # The original's table ends with the frames that have clicks.
        row = torch.remainder(memory_ages - 1, len(self.age_position))
        placed = seen + self.memory_position + self.age_position.index_select(0, row)
        pointers = object_pointers.reshape(-1, seen.shape[2])
        pointed = pointers + self._pointer_positions(pointer_ages)
        read = torch.cat([seen.flatten(0, 1), pointers])
        for layer in self.layers:
            tokens = layer(tokens, placed, pointed, read, self.turn)
        tracked = self.norm(tokens).transpose(0, 1)
        return (tracked.unflatten(1, (self._grid, self._grid))[None],)

    def _pointer_positions(self, ages: Tensor) -> Tensor:
        """Return the position of every token of every pointer, f32[K*D/m,m]."""
        projection = self.pointer_position
        position = projection(get_1d_sine_pe(ages, dim=projection.in_features))
        tokens = projection.in_features // projection.out_features
        return position[:, None].expand(-1, tokens, -1).flatten(0, 1)


class _Layer(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.self_attention = _SelfAttention(layer.self_attn)
        self.memory_attention = _MemoryAttention(layer.cross_attn_image)
        self.norm1, self.norm2 = layer.layer_norm1, layer.layer_norm2
        self.norm3 = layer.layer_norm3
        self.widen, self.narrow = layer.linear1, layer.linear2

    def forward(
        self, tokens: Tensor, placed: Tensor, pointed: Tensor, read: Tensor, turn: _Rotation
    ) -> Tensor:
        tokens = tokens + self.self_attention(self.norm1(tokens), turn)
        tokens = tokens + self.memory_attention(self.norm2(tokens), placed, pointed, read, turn)
        return tokens + self.narrow(F.relu(self.widen(self.norm3(tokens))))


class _SelfAttention(nn.Module):
    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.query, self.key = _scaled(_halved(attention.q_proj)), _halved(attention.k_proj)
        self.value = _behind(attention.v_proj, attention.o_proj)

    def forward(self, tokens: Tensor, turn: _Rotation) -> Tensor:
        query, key = turn(self.query(tokens)), turn(self.key(tokens))
        return _attend(query, key, F.linear(tokens, self.value.weight)) + self.value.bias


class _MemoryAttention(nn.Module):
    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.query, self.key = _scaled(_halved(attention.q_proj)), _halved(attention.k_proj)
        self.value = _behind(attention.v_proj, attention.o_proj)

    def forward(
        self, tokens: Tensor, placed: Tensor, pointed: Tensor, read: Tensor, turn: _Rotation
    ) -> Tensor:
        """placed f32[M,N,m] and pointed f32[K,m] become keys; read f32[M*N+K,m] is weighted."""
        query = turn(self.query(tokens))
        key = torch.cat([turn(self.key(placed)).flatten(0, 1), self.key(pointed)])
        if attends_whole():
            return _attend(query, key, F.linear(read, self.value.weight)) + self.value.bias
        return self.value(_attend(query, key, read))


class _Rotation(nn.Module):
    """Turns f32[...,N,D] by the place; the two channels of a pair are half a row apart."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, cosine: Tensor, sine: Tensor) -> None:
        super().__init__()
        self.register_buffer("cosine", cosine[:, ::2].contiguous())
        self.register_buffer("sine", sine[:, ::2].contiguous())

    def forward(self, tokens: Tensor) -> Tensor:
        one, other = tokens.chunk(2, dim=-1)
        turned = (one * self.cosine - other * self.sine, other * self.cosine + one * self.sine)
        return torch.cat(turned, dim=-1)


def _halved(projection: nn.Linear) -> nn.Linear:
    """Return the projection to rows whose first half has the first channel of each pair."""
    order = torch.arange(projection.out_features).reshape(-1, 2).T.flatten()
    return _linear(projection.weight[order], projection.bias[order])


def _scaled(projection: nn.Linear) -> nn.Linear:
    """Return the projection of queries whose products with keys need no scale."""
    scale = projection.out_features**-0.5
    return _linear(projection.weight * scale, projection.bias * scale)


def _behind(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """Return one layer in place of two that follow each other."""
    weight, bias = second.weight.double(), second.bias.double()
    return _linear(weight @ first.weight.double(), weight @ first.bias.double() + bias)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight = nn.Parameter(weight.detach().float().contiguous(), requires_grad=False)
    made.bias = nn.Parameter(bias.detach().float().contiguous(), requires_grad=False)
    return made


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return one-head attention without a scale: f32[Q,D], f32[T,D], f32[T,c] -> f32[Q,c]."""
    if attends_whole():
        query, key, value = (each[None, :, None].transpose(1, 2) for each in (query, key, value))
        return attend(query, key, value, scale=1.0).transpose(1, 2).flatten(0, 2)
    turned = key.transpose(0, 1)
    chunks = query.split(QUERIES_AT_A_TIME)
    return torch.cat([torch.softmax(chunk @ turned, dim=-1) @ value for chunk in chunks])
