"""Sizes that an operator takes from constants: a few bytes that ask for any amount of memory.

Engines compute what depends on constants alone when a session is made, so that the memory is gone
before anything runs. Sizes that are themselves computed are not seen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

#: Elements of a tensor that constants ask for: 1 GiB in float32.
MOST_ELEMENTS = 1 << 28

Constants = Mapping[str, Sequence[float]]
_RANGE, _PAD = "Range", "Pad"
# The operator, and the places of the inputs that say how large the output is, or how many times.
_SIZE_INPUTS = {
    "CenterCropPad": (1,),
    "Col2Im": (1,),
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "MaxUnpool": (2,),
    "OneHot": (1,),
    _PAD: (1,),
    "Resize": (3, 2, 1),
    "Tile": (1,),
    "Upsample": (1,),
}


def require_moderate_size(
    operator: str, inputs: Sequence[str], attributes: Constants, constants: Constants
) -> None:
    """Raise ValueError where constants make an operator of ONNX write more than MOST_ELEMENTS.

    attributes: those that are numbers. constants: small ones, by name.
    """
    named = [inputs[place] for place in _SIZE_INPUTS.get(operator, ()) if place < len(inputs)]
    asked = [constants[name] for name in named if name in constants]
    if operator == _PAD and "pads" in attributes:
        asked.append(attributes["pads"])
    if operator == _RANGE:
        asked = [_steps([constants.get(name, ()) for name in inputs])]
    for sizes in asked:
        # A Pad adds to axes that have at least one element.
        grown = [abs(each) + (operator == _PAD) for each in sizes]
        if prod(max(each, 1) for each in grown) > MOST_ELEMENTS:
            what = "x".join(f"{each:.15g}" for each in sizes)
            raise ValueError(
                f"operator {operator} asks for a tensor of {what}, and {MOST_ELEMENTS} elements "
                f"are allowed"
            )


def _steps(bounds: Sequence[Sequence[float]]) -> Sequence[float]:
    """Return the elements of a Range; none where its bounds are no constants."""
    if [len(each) for each in bounds] != [1, 1, 1]:
        return ()
    (start,), (limit,), (step,) = bounds
    return (abs(limit - start) / abs(step),) if step else ()
