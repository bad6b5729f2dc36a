"""Stages that answer clicks and boxes by colour, in real ONNX; the rules are in colour_stages."""

from __future__ import annotations

import numpy as np
from colour_stages import BOOL, DEPTH, F32, I64, NEGATIVE_RADIUS, OFF, SURE, Frame, clipped, sample
from onnx_graph import OnnxGraph

# A mask of logits within 4, as models are trained to take them, does not outweigh the image.
HINT_WEIGHT = 0.4
POSITIVE, NEGATIVE, FIRST_CORNER, SECOND_CORNER = range(4)  # flag channels of a sparse token


def prompt_encoder(coarse: Frame) -> OnnxGraph:
    g = OnnxGraph("prompt_encoder")
    coords = g.input("point_coords", F32, (1, "count", 2))
    labels = g.input("point_labels", I64, (1, "count"))
    shape = (coarse.rows, coarse.columns)
    mask = g.input("mask_input", F32, (1, 1, *shape))
    has_mask = g.input("has_mask", F32, (1,))
    tokens = sparse_tokens(g, coords, labels, (coarse.width, coarse.height))
    padding = g.constant(np.zeros((1, 1, DEPTH)))
    sparse = g.op("Concat", tokens, padding, axis=1)
    g.output(sparse, "sparse", F32, (1, "tokens", DEPTH))
    dense = g.op("Mul", mask, g.reshape(has_mask, 1, 1, 1, 1))
    dense = g.op("Expand", dense, g.constant((1, DEPTH, *shape), I64))
    g.output(dense, "dense", F32, (1, DEPTH, *shape))
    return g


def sparse_tokens(g: OnnxGraph, coords: str, labels: str, space: tuple[int, int]) -> str:
    """Return f32[1,N,DEPTH]: four flags, then x and y in 0..1, then zeros."""
    column = g.op("Unsqueeze", labels, g.constant([-1], I64))
    kinds = g.constant([[[1, 0, 2, 3]]], I64)
    flags = g.cast(g.op("Equal", column, kinds))
    places = g.scaled(coords, [[[1 / space[0], 1 / space[1]]]])
    rest = g.scaled(g.channels(flags, 0, DEPTH - 6, 2), 0.0)
    return g.op("Concat", flags, places, rest, axis=2)


def mask_decoder(fine: Frame, coarse: Frame) -> OnnxGraph:
    g = OnnxGraph("mask_decoder")
    g.input("sam_embed", F32, (1, DEPTH, coarse.rows, coarse.columns))
    maps = g.input("sam_s0", F32, (1, 4, fine.rows, fine.columns))
    g.input("sam_s1", F32, (1, 4, coarse.rows, coarse.columns))
    sparse = g.input("sparse", F32, (1, "tokens", DEPTH))
    dense = g.input("dense", F32, (1, DEPTH, coarse.rows, coarse.columns))
    logits, found = answer(g, maps, sparse, fine)
    scales = g.constant([1.0, 1.0, fine.rows / coarse.rows, fine.columns / coarse.columns])
    hint = g.op("Resize", g.channels(dense, 0, 1, 1), "", scales, mode="nearest")
    declare_masks(g, g.op("Add", logits, g.scaled(hint, HINT_WEIGHT)), found, fine)
    g.output(g.scaled(found, 12.0, -6.0), "object_score", F32, (1, 1))
    return g


def mobile_decoder(frame: Frame, prompt_space: tuple[int, int]) -> OnnxGraph:
    """Make prompt encoder and mask decoder in one graph: points in, masks out."""
    g = OnnxGraph("mobile_decoder")
    maps = g.input("image_embeddings", F32, (1, 4, frame.rows, frame.columns))
    coords = g.input("coords", F32, (1, "count", 2))
    labels = g.input("labels", F32, (1, "count"))
    sparse = sparse_tokens(g, coords, g.cast(labels, I64), prompt_space)
    declare_masks(g, *answer(g, maps, sparse, frame), frame)
    return g


def mobile_prompt_encoder(prompt_space: tuple[int, int]) -> OnnxGraph:
    g = OnnxGraph("mobile_prompt_encoder")
    coords = g.input("coords", F32, (1, "count", 2))
    labels = g.input("labels", F32, (1, "count"))
    sparse = sparse_tokens(g, coords, g.cast(labels, I64), prompt_space)
    g.output(sparse, "sparse_embeddings", F32, (1, "count", DEPTH))
    return g


def mobile_mask_decoder(frame: Frame) -> OnnxGraph:
    g = OnnxGraph("mobile_mask_decoder")
    maps = g.input("image_embeddings", F32, (1, 4, frame.rows, frame.columns))
    sparse = g.input("sparse_embeddings", F32, (1, "count", DEPTH))
    declare_masks(g, *answer(g, maps, sparse, frame), frame)
    return g


def declare_masks(g: OnnxGraph, logits: str, found: str, frame: Frame) -> None:
    """Declare four masks: the answer twice, then two with lower logits and lower ratings."""
    paler = [g.scaled(logits, 1.0, -step) for step in (0.5, 1.0)]
    masks = g.op("Concat", logits, logits, *paler, axis=1)
    g.output(masks, "masks", F32, (1, 4, frame.rows, frame.columns))
    ratings = g.op("Mul", g.reshape(found, 1, 1), g.constant([[0.97, 0.95, 0.7, 0.5]]))
    g.output(ratings, "iou", F32, (1, 4))


def answer(g: OnnxGraph, maps: str, sparse: str, frame: Frame) -> tuple[str, str]:
    """Return mask logits f32[1,1,rows,columns], and f32[1,1]: 1 if a prompt hit a colour."""
    flags = [g.channels(sparse, kind, kind + 1, 2) for kind in range(4)]
    places = g.channels(sparse, 4, 6, 2)
    first = g.sum(g.op("Mul", flags[FIRST_CORNER], places), axis=1)
    second = g.sum(g.op("Mul", flags[SECOND_CORNER], places), axis=1)
    has_box = g.sum(flags[FIRST_CORNER], axis=1)
    box_centre = g.scaled(g.op("Add", first, second), 0.5)
    seeds = g.reshape(g.op("Concat", places, box_centre, axis=1), -1, 2)
    weights = g.reshape(g.op("Concat", flags[POSITIVE], has_box, axis=1), -1, 1)

    colours = g.op("Mul", g.above(sample(g, maps, seeds, frame, 4), 0.0), weights)
    asked = g.op("ReduceMax", colours, axes=[0], keepdims=0)
    flat = g.reshape(maps, 4, frame.cells)
    chosen = g.op("Where", g.cast(g.reshape(asked, 4, 1), BOOL), flat, g.constant(-SURE))
    logits = g.op("ReduceMax", chosen, axes=[0], keepdims=1)

    in_half = _halves_of(g, seeds, weights, frame)
    in_box = _inside(g, g.reshape(first, 1, 2), g.reshape(second, 1, 2), frame)
    window = g.op("Where", g.cast(g.reshape(has_box, 1, 1), BOOL), in_box, in_half)
    discs = _discs(g, g.reshape(places, -1, 2), g.reshape(flags[NEGATIVE], -1, 1), frame)
    allowed = g.op("Mul", window, g.scaled(discs, -1.0, 1.0))
    logits = clipped(g, g.op("Add", logits, g.scaled(allowed, -OFF, OFF)))
    found = g.reshape(g.op("ReduceMax", asked, axes=[0], keepdims=1), 1, 1)
    return g.reshape(logits, 1, 1, frame.rows, frame.columns), found


def _halves_of(g: OnnxGraph, seeds: str, weights: str, frame: Frame) -> str:
    """Return f32[1,cells]: 1 in the halves that hold a seed of weight 1."""
    right = g.above(g.channels(seeds, 0, 1, 1), 0.5)
    sides = g.op("Concat", g.scaled(right, -1.0, 1.0), right, axis=1)
    sides = g.op("ReduceMax", g.op("Mul", sides, weights), axes=[0], keepdims=1)
    return g.op("MatMul", sides, g.constant(frame.halves()))


def _inside(g: OnnxGraph, first: str, second: str, frame: Frame) -> str:
    """Return f32[1,cells]: 1 for cells that overlap the box between two corners f32[1,2]."""
    half_cell = np.array([0.5 / frame.columns, 0.5 / frame.rows])
    after = g.op("GreaterOrEqual", g.constant(frame.centres() + half_cell), first)
    before = g.op("LessOrEqual", g.constant(frame.centres() - half_cell), second)
    both = g.cast(g.op("And", after, before))
    return g.reshape(g.op("ReduceMin", both, axes=[1], keepdims=0), 1, frame.cells)


def _discs(g: OnnxGraph, places: str, weights: str, frame: Frame) -> str:
    """Return f32[1,cells]: 1 within NEGATIVE_RADIUS of a place f32[N,2] of weight f32[N,1] 1."""
    size = [frame.width, frame.height]
    centres = g.constant((frame.centres() * size)[None])
    offsets = g.op("Sub", g.op("Unsqueeze", g.scaled(places, size), g.constant([1], I64)), centres)
    distances = g.sum(g.op("Mul", offsets, offsets), axis=2, keepdims=0)
    near = g.scaled(g.above(distances, NEGATIVE_RADIUS**2), -1.0, 1.0)
    return g.op("ReduceMax", g.op("Mul", near, weights), axes=[0], keepdims=1)
