"""Sizes that an operator takes from constants: a few bytes that ask for any amount of memory.

Engines compute what depends on constants alone when a session is made, so that the memory is gone
before anything runs. Sizes that are themselves computed are not seen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

#: Elements of a tensor that constants ask for: 1 GiB in float32.
MOST_ELEMENTS = 1 << 28

Constants = Mapping[str, Sequence[int]]
# The operator, and the place of the input that says how large the output is.
_SIZE_INPUT = {
    "CenterCropPad": 1,
    "Col2Im": 1,
    "ConstantOfShape": 0,
    "Expand": 1,
    "MaxUnpool": 2,
    "OneHot": 1,
    "Pad": 1,
    "Resize": 3,
    "Tile": 1,
}
_RANGE, _PAD = "Range", "Pad"


def require_moderate_size(
    operator: str,
    inputs: Sequence[str],
    attributes: Mapping[str, Sequence[int]],
    constants: Constants,
) -> None:
    """Raise ValueError where constants make an operator of ONNX write more than MOST_ELEMENTS.

    attributes: those that are whole numbers. constants: small ones of whole numbers, by name.
    """
    place = _SIZE_INPUT.get(operator)
    sizes: Sequence[int] | None = None
    if place is not None and place < len(inputs):
        sizes = constants.get(inputs[place])
    if operator == _PAD and sizes is None:
        sizes = attributes.get("pads")
    if operator == _RANGE:
        sizes = _steps(inputs, constants)
    if sizes is None:
        return
    # Each axis grows by its pads, and has at least one element before.
    grown = [abs(each) + 1 for each in sizes] if operator == _PAD else [abs(each) for each in sizes]
    if prod(max(each, 1) for each in grown) > MOST_ELEMENTS:
        what = "x".join(map(str, sizes))
        raise ValueError(
            f"operator {operator} asks for a tensor of {what}, and {MOST_ELEMENTS} elements are "
            f"allowed"
        )


def _steps(inputs: Sequence[str], constants: Constants) -> Sequence[int] | None:
    bounds = [constants.get(name) for name in inputs[:3]]
    if len(bounds) < 3 or any(each is None or len(each) != 1 for each in bounds):
        return None
    (start,), (limit,), (step,) = (each for each in bounds if each is not None)
    return [abs(limit - start) // max(abs(step), 1)]
