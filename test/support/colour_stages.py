"""Stages that truly segment: by colour, in real ONNX.

The world is coloured patches on grey. A word names a colour (or "object": all of them); an
instance is everything of one colour in the left or in the right half of the model's image, so
patches should keep clear of the middle. A click answers with its colour in its half, a box with
the colour of its centre inside it, a negative click takes away a disc of NEGATIVE_RADIUS px.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx_graph import OnnxGraph

COLOURS = ("red", "green", "blue", "yellow")
WORDS = ("<pad>", "<start>", "<end>", "<unknown>", *COLOURS, "object", "visual", "cube", "ball")
DEPTH = 8  # channels of every feature; the first four are the colours
QUERIES = 8  # colour by half
NEGATIVE_RADIUS = 12.0
OFF = -20.0
SURE = 2.0
F32, I64, BOOL = np.float32, np.int64, np.bool_


@dataclass(frozen=True)
class Frame:
    """The size of the model's image and the grid of its features."""

    #: Of the image, px.
    height: int
    #: Of the image, px.
    width: int
    #: Width and height of a cell of the features, px.
    stride: int

    @property
    def rows(self) -> int:
        return self.height // self.stride

    @property
    def columns(self) -> int:
        return self.width // self.stride

    @property
    def cells(self) -> int:
        return self.rows * self.columns

    def centres(self) -> np.ndarray:
        """Return f32[cells,2]: x and y of each cell's centre, in 0..1."""
        y, x = np.mgrid[: self.rows, : self.columns].reshape(2, -1)
        return np.stack([(x + 0.5) / self.columns, (y + 0.5) / self.rows], 1).astype(F32)

    def halves(self) -> np.ndarray:
        """Return f32[2,cells]: a row that is 1 in the left half, and one for the right half."""
        left = self.centres()[:, 0] < 0.5
        return np.stack([left, ~left]).astype(F32)

    def at(self, stride: int) -> Frame:
        return Frame(self.height, self.width, stride)


def colour_maps(g: OnnxGraph, pixels: str, mean: Any, std: Any) -> str:
    """Return f32[1,4,h,w]: a logit of each colour at each pixel, above 0 where it has it."""
    rgb = g.scaled(pixels, np.reshape(std, (1, 3, 1, 1)), np.reshape(mean, (1, 3, 1, 1)))
    r, green, b = (g.channels(rgb, i, i + 1, 1) for i in range(3))
    strength = g.op(
        "Concat",
        g.op("Sub", r, g.op("Max", green, b)),
        g.op("Sub", green, g.op("Max", r, b)),
        g.op("Sub", b, g.op("Max", r, green)),
        g.op("Sub", g.op("Min", r, green), b),
        axis=1,
    )
    return clipped(g, g.scaled(strength, 8.0, -2.0))


def clipped(g: OnnxGraph, logits: str) -> str:
    """Clip logits to -SURE..SURE, so that edges lie where a cell is half covered."""
    return g.op("Clip", logits, g.constant(-SURE), g.constant(SURE))


def pooled(g: OnnxGraph, maps: str, stride: int) -> str:
    return g.op("AveragePool", maps, kernel_shape=[stride, stride], strides=[stride, stride])


def deepened(g: OnnxGraph, maps: str, frame: Frame) -> str:
    """Pad maps of four channels with zeros to DEPTH channels."""
    empty = g.constant(np.zeros((1, DEPTH - 4, frame.rows, frame.columns)))
    return g.op("Concat", maps, empty, axis=1)


def asked_colours(g: OnnxGraph, prompt: str, prompt_mask: str) -> str:
    """Return f32[P,1,4]: 1 for each colour whose sum over the valid prompt tokens is above 0.5."""
    valid = g.cast(g.op("Unsqueeze", prompt_mask, g.constant([-1], I64)))
    total = g.sum(g.op("Mul", prompt, valid), axis=1)
    return g.above(g.channels(total, 0, 4, 2), 0.5)


def text() -> OnnxGraph:
    g = OnnxGraph("text")
    ids = g.input("input_ids", I64, (1, "length"))
    table = np.zeros((len(WORDS), DEPTH))
    for channel, colour in enumerate(COLOURS):
        table[WORDS.index(colour), channel] = 1
    table[WORDS.index("object"), :4] = 1
    g.output(g.op("Gather", g.constant(table), ids), "features", F32, (1, "length", DEPTH))
    mask = g.op("Not", g.op("Equal", ids, g.constant(0, I64)))
    g.output(mask, "mask", BOOL, (1, "length"))
    return g


def geometry(frame: Frame) -> OnnxGraph:
    """Make the geometry encoder: a box asks for the colour at its centre, with weight 1.

    A negative box has weight -2.
    """
    g = OnnxGraph("geometry")
    boxes = g.input("boxes", F32, (1, "count", 4))
    labels = g.input("box_labels", I64, (1, "count"))
    box_mask = g.input("box_mask", BOOL, (1, "count"))
    fpn2 = g.input("fpn2", F32, (1, DEPTH, frame.rows, frame.columns))
    centres = g.reshape(g.channels(boxes, 0, 2, 2), -1, 2)
    found = g.above(sample(g, fpn2, centres, frame, DEPTH), 0.0)
    positive = g.op("Equal", labels, g.constant(1, I64))
    weight = g.op("Where", positive, g.constant(1.0), g.constant(-2.0))
    weight = g.op("Mul", weight, g.cast(box_mask))
    weighted = g.op("Mul", found, g.reshape(weight, -1, 1))
    tokens = g.op("Unsqueeze", weighted, g.constant([0], I64))
    cls = g.constant(np.zeros((1, 1, DEPTH)))
    g.output(g.op("Concat", tokens, cls, axis=1), "features", F32, (1, "tokens", DEPTH))
    valid = g.op("Concat", box_mask, g.constant([[True]], BOOL), axis=1)
    g.output(valid, "mask", BOOL, (1, "tokens"))
    return g


def sample(g: OnnxGraph, maps: str, points: str, frame: Frame, depth: int) -> str:
    """Return f32[N,depth]: maps f32[1,depth,rows,columns] at points f32[N,2], x and y in 0..1."""
    size = [frame.columns, frame.rows]
    cells = g.cast(g.op("Floor", g.scaled(points, size)), I64)
    cells = g.op("Max", cells, g.constant([0, 0], I64))
    cells = g.op("Min", cells, g.constant([n - 1 for n in size], I64))
    columns, rows = g.channels(cells, 0, 1, 1), g.channels(cells, 1, 2, 1)
    flat = g.op("Add", g.op("Mul", rows, g.constant(frame.columns, I64)), columns)
    table = g.op("Transpose", g.reshape(maps, depth, frame.cells), perm=[1, 0])
    return g.op("Gather", table, g.reshape(flat, -1))


def _prompt(g: OnnxGraph) -> str:
    """Declare the prompts' two inputs and return the colours they ask for, f32[P,1,4]."""
    prompt = g.input("prompt", F32, ("prompts", "tokens", DEPTH))
    return asked_colours(g, prompt, g.input("prompt_mask", BOOL, ("prompts", "tokens")))


def fusion(frame: Frame) -> OnnxGraph:
    """Make the fusion, which keeps the colours that are asked for."""
    g = OnnxGraph("fusion")
    fpn2 = g.input("fpn2", F32, (1, DEPTH, frame.rows, frame.columns))
    asked = g.cast(_prompt(g), BOOL)
    maps = g.channels(g.reshape(fpn2, 1, DEPTH, frame.cells), 0, 4, 1)
    kept = g.op("Where", asked, g.op("Transpose", maps, perm=[0, 2, 1]), g.constant(-SURE))
    memory = g.op("Pad", kept, g.constant([0, 0, 0, 0, 0, DEPTH - 4], I64))
    g.output(memory, "memory", F32, ("prompts", frame.cells, DEPTH))
    return g


def decoder(frame: Frame) -> OnnxGraph:
    """Make the decoder: one query for each colour in each half.

    A query's last two channels hold its area and 1.
    """
    g = OnnxGraph("decoder")
    memory = g.input("memory", F32, ("prompts", frame.cells, DEPTH))
    asked = _prompt(g)
    maps = g.op("Transpose", g.channels(memory, 0, 4, 2), perm=[0, 2, 1])
    seen = g.reshape(g.above(maps, 0.0), -1, 4, 1, frame.cells)
    halves = g.constant(frame.halves().reshape(1, 1, 2, -1))
    seen = g.reshape(g.op("Mul", seen, halves), -1, QUERIES, frame.cells)
    area = g.op("ReduceMean", seen, axes=[2], keepdims=1)
    identity = [[*np.eye(4)[q // 2], *np.eye(2)[q % 2]] for q in range(QUERIES)]
    ones = g.scaled(area, 0.0, 1.0)
    queries = g.op("Concat", g.op("Mul", g.constant([identity]), ones), area, ones, axis=2)
    g.output(queries, "queries", F32, ("prompts", QUERIES, DEPTH))
    boxes = _bounds(g, g.cast(seen, BOOL), frame)
    g.output(boxes, "pred_boxes", F32, ("prompts", QUERIES, 4))
    any_asked = g.op("ReduceMax", g.reshape(asked, -1, 4), axes=[1], keepdims=1)
    g.output(g.scaled(any_asked, 12.0, -6.0), "presence", F32, ("prompts", 1))
    return g


def _bounds(g: OnnxGraph, seen: str, frame: Frame) -> str:
    """Return f32[P,Q,4], cxcywh in 0..1, around the cells that are seen; size 0 where none is."""
    half_cell = np.array([0.5 / frame.columns, 0.5 / frame.rows], F32)
    corners = []
    for kind, sign, neutral in (("ReduceMin", -1, 1.0), ("ReduceMax", 1, 0.0)):
        edges = (frame.centres() + sign * half_cell).T
        for axis in range(2):
            edge = g.constant(edges[axis].reshape(1, 1, -1))
            at = g.op("Where", seen, edge, g.constant(neutral))
            corners.append(g.op(kind, at, axes=[2], keepdims=1))
    low = g.op("Concat", *corners[:2], axis=2)
    high = g.op("Concat", *corners[2:], axis=2)
    centre = g.scaled(g.op("Add", low, high), 0.5)
    size = g.op("Max", g.op("Sub", high, low), g.constant(0.0))
    return g.op("Concat", centre, size, axis=2)


def scoring() -> OnnxGraph:
    """Make the scoring: a query scores if its colour is asked for and seen, more if larger."""
    g = OnnxGraph("scoring")
    queries = g.input("queries", F32, ("prompts", "queries", DEPTH))
    asked = _prompt(g)
    match = g.sum(g.op("Mul", g.channels(queries, 0, 4, 2), asked), axis=2, keepdims=0)
    area = g.op("Squeeze", g.channels(queries, 6, 7, 2), g.constant([2], I64))
    good = g.op("And", g.cast(g.above(match, 0.5), BOOL), g.cast(g.above(area, 0.004), BOOL))
    logits = g.op("Where", good, g.scaled(area, 4.0, 2.0), g.constant(-6.0))
    g.output(logits, "logits", F32, ("prompts", "queries"))
    return g


def segmentation(fine: Frame, coarse: Frame) -> OnnxGraph:
    g = OnnxGraph("segmentation")
    fpn0 = g.input("fpn0", F32, (1, DEPTH, fine.rows, fine.columns))
    g.input("fpn1", F32, (1, DEPTH, coarse.rows, coarse.columns))
    g.input("memory", F32, ("prompts", coarse.cells, DEPTH))
    queries = g.input("queries", F32, ("prompts", "kept", DEPTH))
    _prompt(g)
    maps = g.channels(g.reshape(fpn0, 1, DEPTH, fine.cells), 0, 4, 1)
    logits = g.op("MatMul", g.channels(queries, 0, 4, 2), maps)
    inside = g.op("MatMul", g.channels(queries, 4, 6, 2), g.constant([fine.halves()]))
    masks = clipped(g, g.op("Add", logits, g.scaled(inside, -OFF, OFF)))
    masks = g.reshape(masks, 0, 0, fine.rows, fine.columns)
    g.output(masks, "masks", F32, ("prompts", "kept", fine.rows, fine.columns))
    return g
