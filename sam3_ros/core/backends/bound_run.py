"""A run on the CPU whose outputs come to lie in arrays of their own, without a copy.

ONNX Runtime would lay them into its arena, where a kept feature lies between the working memory of
stages, and makes holes in it that grow with the frames that are remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.stages.session import Array, TensorSpec


def run_bound(
    session: Any,
    inputs: Mapping[str, TensorSpec],
    outputs: Mapping[str, TensorSpec],
    feeds: Mapping[str, Array],
) -> dict[str, Array]:
    """The outputs by name; each owns its memory.

    Raises InferenceError where an input is missing; the engine's exceptions come as they are.
    """
    if missing := inputs.keys() - feeds.keys():
        raise InferenceError(f"no value was given for {', '.join(sorted(missing))}")
    binding = session.io_binding()
    for name, value in feeds.items():
        # Borrowed, not copied; the binding itself keeps the array for as long.
        binding.bind_cpu_input(name, np.ascontiguousarray(value))
    sizes = _sizes_by_symbol(inputs, feeds)
    results: dict[str, Array | None] = {}
    for name, spec in outputs.items():
        results[name] = _array_for(spec, sizes)
        _bind(binding, name, results[name])
    session.run_with_iobinding(binding)
    values = zip(results.items(), binding.get_outputs(), strict=True)
    return {name: value.numpy().copy() if own is None else own for (name, own), value in values}


def _bind(binding: Any, name: str, own: Array | None) -> None:
    if own is None:
        binding.bind_output(name, "cpu")
    else:
        binding.bind_output(name, "cpu", 0, own.dtype, own.shape, own.ctypes.data)


def _sizes_by_symbol(
    inputs: Mapping[str, TensorSpec], feeds: Mapping[str, Array]
) -> dict[str, int]:
    return {
        symbol: size
        for name, spec in inputs.items()
        if name in feeds
        for symbol, size in zip(spec.shape, feeds[name].shape, strict=False)
        if isinstance(symbol, str)
    }


def _array_for(spec: TensorSpec, sizes: Mapping[str, int]) -> Array | None:
    """None where the file does not tell the shape before the run."""
    shape = [sizes.get(size) if isinstance(size, str) else size for size in spec.shape]
    known = [size for size in shape if size is not None]
    return np.empty(known, spec.dtype) if len(known) == len(shape) else None
