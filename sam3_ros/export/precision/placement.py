"""Which nodes of a graph may compute in half precision, and which must not.

The rule is that of mixed precision training (Micikevicius et al., arXiv 1710.03740): matrix
products and convolutions take half inputs, sums and exponentials stay in single precision, and
everything else follows its inputs; single precision wins. In addition, by measurement: whatever
came near the upper end of half's range, or near its small end.

In files for GPUs the second rule does not hold (half_rules.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from sam3_ros.export.operators import ATTENTION, ONNX_RUNTIME
from sam3_ros.export.precision.half_rules import (
    ANYWHERE,
    FOLLOWERS,
    MOVEMENTS,
    POINTWISE,
    PRODUCTS,
    SIZES,
    HalfRules,
)
from sam3_ros.export.precision.model_file import Values, captured_names, weight

#: Half ends at 65504. An eighth of that leaves room for images unlike the measured ones.
LARGEST = 2.0**13
#: Half has its full 11 bits down to 2^-14; a value that never exceeds this bound loses them.
SMALLEST = 2.0**-10
#: A weight may lose this share of the tensor's largest value (half's own rounding is 2^-11).
WEIGHT_LOSS = 2.0**-10
#: Initializers from this size on are stored in half even where single precision reads them.
WORTH_HALVING = 4096

_SOFTMAX = frozenset({"LogSoftmax", "Softmax"})
_PERIODIC = frozenset({"Cos", "Sin"})
# Half has every whole number up to this.
_LARGEST_WHOLE = 2.0**11
# Index of the attention operator's input that is added to the scores; it hides with large numbers.
_ATTENTION_BIAS = 5


@dataclass(frozen=True)
class Placement:
    """Which nodes compute in half precision, and which weights are stored in it."""

    #: Indices of the nodes that compute in half.
    half: frozenset[int]
    #: The products that stay in single precision: index to the reason.
    kept: Mapping[int, str]
    #: Initializers that are widened where single precision reads them; what a half node reads is in
    #: half in any case.
    stored_in_half: frozenset[str]


def place(
    model: ModelProto,
    values: Values,
    magnitudes: Mapping[str, float],
    rules: HalfRules = ANYWHERE,
    half_borders: AbstractSet[str] = frozenset(),
) -> Placement:
    """Decide for every node of a flat graph.

    magnitudes: largest absolute value of each computed float32 value (spread.py). half_borders:
    inputs and outputs of the model that will be half.
    """
    nodes = model.graph.node
    holdable = frozenset(
        name for name, t in values.initializers.items() if values.is_float(name) and _rounds(t)
    )
    angles = upstream(nodes, _PERIODIC, through=FOLLOWERS, products=PRODUCTS, crossed=1)
    kept = _kept_by_measurement(model, values, magnitudes, holdable, rules)
    kept |= {} if rules.sums_in_single else _score_products(model)
    kept |= {i: "angles" for i in angles if nodes[i].op_type in PRODUCTS}
    half = _half_nodes(model, values, frozenset(kept), holdable, rules, half_borders)
    exact = {name for i in angles for name in nodes[i].input}
    listed = rules.listed | {"Einsum"}
    exact |= {n for node in nodes if node.op_type not in listed for n in node.input}
    exact |= {name for node in nodes for name in captured_names(node)}
    stored = (name for name in holdable - exact if _is_large(values.initializers[name]))
    return Placement(half, kept, frozenset(stored))


def tables_in_half(model: ModelProto, values: Values) -> Placement:
    """Return a placement of only the look-ups in large tables of weights."""
    half = frozenset(
        index
        for index, node in enumerate(model.graph.node)
        if node.op_type in ("Gather", "GatherND")
        and values.is_float(node.output[0])
        and not values.activations(node)
        and all(
            _is_large(table) and _rounds(table)
            for table in map(values.initializers.__getitem__, values.stored(node))
        )
    )
    return Placement(half, {}, frozenset())


def _half_nodes(
    model: ModelProto,
    values: Values,
    kept: frozenset[int],
    holdable: frozenset[str],
    rules: HalfRules,
    half_borders: AbstractSet[str],
) -> frozenset[int]:
    nodes = model.graph.node
    single = _results_read_in_single(model, rules, half_borders)
    given = {value.name for value in model.graph.input}
    half: set[int] = set()
    half_values = set(half_borders)
    constant: dict[int, NodeProto] = {}
    constant_values: set[str] = set()
    for index, node in enumerate(nodes):  # producers come before their readers
        sound = all(values.is_float(name) for name in node.output if name)
        known = not node.domain or (rules.sums_in_single and node.domain == ONNX_RUNTIME)
        stored = _halved_inputs(node, values.stored(node))
        if not (sound and known) or index in kept or not holdable.issuperset(stored):
            continue
        activations = set(_halved_inputs(node, values.activations(node)))
        follows = node.op_type in rules.followers
        if rules.sums_in_single and follows and activations <= constant_values - given:
            constant[index] = node
            constant_values.update(node.output)
            continue
        if node.op_type in POINTWISE and not single.isdisjoint(node.output):
            continue
        if node.op_type in rules.products or _follows(node, values, half_values, rules):
            half.add(index)
            half_values.update(node.output)
    return frozenset(half | _constants_in_half(nodes, constant, half))


def _constants_in_half(
    nodes: Sequence[NodeProto], constant: Mapping[int, NodeProto], half: AbstractSet[int]
) -> set[int]:
    """Return the nodes without a computed input in single precision that half nodes alone read.

    Such as a mask, of truth values, or learned queries.
    """
    found: set[int] = set()
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        for name in node.input:
            readers.setdefault(name, []).append(index)
    for index in sorted(constant, reverse=True):
        reading = [i for name in nodes[index].output for i in readers.get(name, [])]
        if reading and all(i in half or i in found or nodes[i].op_type in SIZES for i in reading):
            found.add(index)
    return found


def _follows(
    node: NodeProto, values: Values, half_values: AbstractSet[str], rules: HalfRules
) -> bool:
    """Return whether a node computes in half because of what it reads."""
    activations = _halved_inputs(node, values.activations(node))
    # A divisor that is single because half has no number so small would become 0.
    if rules.sums_in_single and node.op_type != "Div":
        return node.op_type in rules.followers and not half_values.isdisjoint(activations)
    if node.op_type in MOVEMENTS and not activations:  # rows of a table
        return any(_is_large(values.initializers[name]) for name in values.stored(node))
    return node.op_type in rules.followers and bool(activations) and half_values >= set(activations)


def _halved_inputs(node: NodeProto, names: Sequence[str]) -> list[str]:
    """Return those of a node's inputs that are half if it computes in half.

    The scales of Resize are always single.
    """
    return [name for name in names if node.op_type != "Resize" or name == node.input[0]]


def _score_products(model: ModelProto) -> dict[int, str]:
    """Return the products whose results a softmax normalises.

    Directly, or through nodes that only reshape, scale and mask them: at a score of 1000 half is
    off by up to 0.25, its weight by 28 %.
    """
    nodes = model.graph.node
    found = upstream(nodes, _SOFTMAX, through=FOLLOWERS, products=PRODUCTS, crossed=0)
    return dict.fromkeys(found, "attention scores")


def _kept_by_measurement(
    model: ModelProto,
    values: Values,
    magnitudes: Mapping[str, float],
    holdable: frozenset[str],
    rules: HalfRules,
) -> dict[int, str]:
    kept: dict[int, str] = {}
    for index, node in enumerate(model.graph.node):
        if node.op_type not in rules.listed:
            continue
        read = node.input[:_ATTENTION_BIAS] if node.op_type == ATTENTION else node.input
        reached = [magnitudes[n] for n in (*read, *node.output) if n in magnitudes]
        smallest = min((m for m in reached if m > 0), default=1.0)
        largest = _LARGEST_WHOLE if node.op_type == "Cast" else LARGEST
        if max(reached, default=0.0) > largest:
            kept[index] = f"values above {largest:g}"
        elif smallest < SMALLEST:
            kept[index] = f"values all below {SMALLEST:.1g}"
        elif node.op_type in rules.products and not holdable.issuperset(values.stored(node)):
            kept[index] = "weights that half cannot hold"
    return kept


def _results_read_in_single(
    model: ModelProto, rules: HalfRules, half_borders: AbstractSet[str]
) -> frozenset[str]:
    """Return values that something reads in single precision anyway.

    Readers are normalisations, reductions and the caller. Summing in half what is widened at once
    would only lose precision. The sums of residual streams are such values.
    """
    names = {value.name for value in model.graph.output} - half_borders
    for node in model.graph.node:
        names.update(captured_names(node))
        if node.op_type not in rules.listed and node.op_type not in SIZES:
            names.update(node.input)
    if rules.sums_in_single:  # a box is exact from the last product on
        for node in reversed(model.graph.node):
            if node.op_type in POINTWISE and names >= set(node.output):
                names.update(node.input)
    return frozenset(names)


def _rounds(tensor: TensorProto) -> bool:
    """Return whether half can hold these weights. Infinities, of masks, it can."""
    values = weight(tensor)
    values = values[~np.isinf(values)]
    with np.errstate(over="ignore"):
        loss = np.abs(values.astype(np.float16).astype(np.float32) - values)
    return bool((loss <= WEIGHT_LOSS * np.abs(values).max(initial=0.0)).all())


def _is_large(tensor: TensorProto) -> bool:
    return int(np.prod(tensor.dims, dtype=np.int64)) >= WORTH_HALVING


def upstream(
    nodes: Sequence[NodeProto],
    ends: AbstractSet[str],
    through: AbstractSet[str],
    products: AbstractSet[str],
    crossed: int,
) -> frozenset[int]:
    """Return the indices of nodes whose results reach the first input of a node type in `ends`.

    The way back leads through nodes of the types in `through`, and through up to `crossed` nodes of
    the types in `products`; the product where it ends is included, other nodes are not.
    """
    producer = {name: index for index, node in enumerate(nodes) for name in node.output}
    waiting = [(name, crossed) for node in nodes if node.op_type in ends for name in node.input[:1]]
    furthest: dict[int, int] = {}
    while waiting:
        name, left = waiting.pop()
        index = producer.get(name)
        if index is None or furthest.get(index, -1) >= left:
            continue
        is_product = nodes[index].op_type in products
        if is_product or nodes[index].op_type in through:
            furthest[index] = left
        if nodes[index].op_type in through:
            waiting.extend((before, left) for before in nodes[index].input)
        elif is_product and left:
            waiting.extend((before, left - 1) for before in nodes[index].input)
    return frozenset(furthest)
