"""How much of a network a checkpoint holds, by the names and shapes of its tensors."""

from __future__ import annotations

from sam3_ros.export.bindings import PART, Shapes, same_shape
from sam3_ros.export.stage import StageModule

#: From this share of a network's tensors on, a file is taken for a damaged one of that network and
#: not for another network: strict loading can say better what is wrong.
ALIKE = 0.9


def likeness(stage: StageModule, shapes: Shapes, prefix: str) -> float:
    """Return the share of a stage's tensors that are there, in [0, 1]; packed ones do not count.

    shapes: of the checkpoint's tensors, named without `prefix`, below which they stand.
    """
    expected = [
        (original.removeprefix(prefix), tuple(tensor.shape))
        for name, tensor in stage.state_dict().items()
        for original in stage.original_names.originals(name)
        if PART not in original
    ]
    return sum(same_shape(shapes.get(name), shape) for name, shape in expected) / len(expected)
