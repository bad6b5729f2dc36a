"""What lies before certain nodes of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from onnx import NodeProto


def upstream(
    nodes: Sequence[NodeProto],
    ends: AbstractSet[str],
    through: AbstractSet[str],
    products: AbstractSet[str],
    crossed: int,
) -> frozenset[int]:
    """Indices of the nodes whose results reach the first input of a node of a type in `ends`.

    The way back leads through nodes of the types in `through`, and through up to `crossed` nodes
    of the types in `products`; the product where it ends is found too, other nodes are not.
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
