"""NumPy's single numbers in a PyTorch file, read without NumPy's own code for pickles.

A training keeps its best figures beside the weights, and they are often NumPy's. The restricted
reader of PyTorch refuses them. What stands in for them here makes a plain number of their bytes,
and nothing else.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

#: Kinds of NumPy's types: numbers and truth values, never objects.
_NUMBERS = "fiub"


class NumpyType:
    """Stands in for numpy.dtype: the name of a type, and its byte order."""

    def __init__(self, name: str, align: bool = False, copy: bool = True) -> None:  # noqa: ARG002
        """Take what a pickle of a numpy.dtype gives."""
        self.name = str(name)
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the byte order; the rest of the state belongs to structures."""
        self.order = str(state[1]) if state[1] in ("<", ">", "|", "=") else "="


def _number(kind: NumpyType, data: bytes) -> float | int | bool:
    """Return the number of that type in the bytes. Raises UnpicklingError for what is none."""
    try:
        dtype = np.dtype(kind.order + kind.name.lstrip("<>|="))
        if dtype.kind not in _NUMBERS:
            raise ValueError(f"a {dtype} is no number")
        (number,) = np.frombuffer(data, dtype)
    except (TypeError, ValueError, AttributeError) as error:
        raise pickle.UnpicklingError(f"a number of NumPy cannot be read: {error}") from error
    return number.item()  # type: ignore[no-any-return]


#: For torch.serialization.safe_globals: what to call for which name in a pickle.
NUMPY_NUMBERS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
    (NumpyType, "numpy.dtype"),
]
