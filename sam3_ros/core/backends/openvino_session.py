"""A session on OpenVINO's CPU plugin, in exactly the precision that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from sam3_ros.core.backends.machine import cpu_flags
from sam3_ros.core.errors import BackendError, InferenceError, PrecisionError
from sam3_ros.core.stages.session import Array, SessionOptions, TensorSpec

PACKAGE = "openvino"
_DEVICE = "CPU"
# OpenVINO's name and ours for each way to compute. Always given to OpenVINO, which would otherwise
# compute in bf16 where the CPU can.
_HINTS = {"stored": ("f32", "fp32"), "bf16": ("bf16", "bf16")}
# x86's instructions for bf16. On AVX-512 without them OpenVINO emulates it, slower than fp32.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert"})


class OpenVinoSession:
    """One ONNX file, compiled for the CPU."""

    def __init__(self, path: Path, options: SessionOptions) -> None:
        """Raises BackendError where OpenVINO is lacking or cannot read the file.

        Raises PrecisionError where this CPU cannot compute as options.compute says.
        """
        hint, name = _hint_of(options.compute)
        engine = core()
        if options.compute == "bf16":
            _require_bf16()
        try:
            model = engine.read_model(str(path))
            inputs, outputs = _inputs_of(model, path), _outputs_of(model, path)
            compiled = engine.compile_model(model, _DEVICE, _settings(hint, options))
        except BackendError:
            raise
        except Exception as error:
            raise BackendError(f"{path} cannot be loaded on backend 'openvino': {error}") from error
        _require_computing(compiled, hint)
        self._path = path
        self._inputs, self._outputs = inputs, outputs
        self._sizes = _fixed_sizes(outputs)
        self._provider = f"OpenVINO {_DEVICE} ({name})"
        self._keeps_memory = options.keep_memory
        self._compiled: Any = compiled
        self._request: Any = compiled.create_infer_request()

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        return self._outputs

    @property
    def provider(self) -> str:
        return self._provider

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. The engine's own exceptions come through as they are."""
        if self._compiled is None:
            raise InferenceError(f"the session of {self._path} is closed")
        given = [self._checked(feeds, spec) for spec in self._inputs.values()]
        own = {name: self._own_output(name) for name in self._sizes}
        found = self._request.infer(
            dict(enumerate(given)), share_inputs=True, share_outputs=True
        ).to_tuple()
        results = {
            # The next run overwrites OpenVINO's own memory.
            name: own[name] if name in own else np.array(value)
            for name, value in zip(self._outputs, found, strict=True)
        }
        if not self._keeps_memory:
            self._compiled.release_memory()
        return results

    def close(self) -> None:
        self._request = self._compiled = None

    def _checked(self, feeds: Mapping[str, Array], spec: TensorSpec) -> Array:
        """Return an input's value. Raises ValueError if it is missing or of another type.

        OpenVINO would take the last run's value, or convert any type.
        """
        if spec.name not in feeds:
            raise ValueError(f"input {spec.name!r} is not fed")
        value = feeds[spec.name]
        if value.dtype != spec.dtype:
            raise ValueError(f"input {spec} is fed with {value.dtype}")
        return np.ascontiguousarray(value)

    def _own_output(self, name: str) -> Array:
        """Return an array to compute into, which saves a copy."""
        own: Array = np.empty(self._sizes[name], self._outputs[name].dtype)
        tensor = _openvino().Tensor(own, shared_memory=True)
        self._request.set_output_tensor(list(self._outputs).index(name), tensor)
        return own


def why_no_bf16() -> str:
    """Say why this machine does not compute in bf16; empty if it does.

    Raises BackendError where OpenVINO is lacking.
    """
    if "BF16" not in core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES"):
        return "OpenVINO offers no bf16 on this CPU"
    flags = cpu_flags()
    if flags and not flags & _BF16_FLAGS:
        return f"this CPU has none of {', '.join(sorted(_BF16_FLAGS))}, and emulation is slow"
    return ""


def _hint_of(compute: str) -> tuple[str, str]:
    if compute not in _HINTS:
        raise PrecisionError(
            f"backend 'openvino' cannot compute in {compute}; it can in {', '.join(_HINTS)}"
        )
    return _HINTS[compute]


def _require_bf16() -> None:
    why_not = why_no_bf16()
    if why_not:
        raise PrecisionError(f"backend 'openvino' cannot compute in bf16 here: {why_not}; use fp32")


def _require_computing(compiled: Any, hint: str) -> None:
    found = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if found != hint:
        raise PrecisionError(
            f"backend 'openvino' was asked to compute in {hint}, and would in {found}"
        )


def _settings(hint: str, options: SessionOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": hint,
        "PERFORMANCE_HINT": "LATENCY",
        # The robot's other processes use those cores too.
        "ENABLE_CPU_PINNING": False,
    }
    if options.threads is not None:
        settings["INFERENCE_NUM_THREADS"] = options.threads
    return settings


def _openvino() -> Any:
    try:
        return import_module("openvino")
    except ImportError as error:
        raise BackendError(
            f"backend 'openvino' needs OpenVINO, which cannot be imported ({error}): "
            f"`pip install {PACKAGE}`; it needs an x86-64 or ARM64 CPU"
        ) from error


@cache
def core() -> Any:
    """Return OpenVINO's core, one for the process. Raises BackendError where it is lacking."""
    return _openvino().Core()


def _inputs_of(model: Any, path: Path) -> Mapping[str, TensorSpec]:
    return _specs(((each.get_friendly_name(), each) for each in model.get_parameters()), path)


def _outputs_of(model: Any, path: Path) -> Mapping[str, TensorSpec]:
    # The tensor itself has the names of all outputs that the compiler found equal.
    named = ((each.get_friendly_name().partition("/sink_port")[0], each) for each in model.results)
    return _specs(named, path)


def _fixed_sizes(specs: Mapping[str, TensorSpec]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors that have no dynamic dimension."""
    sides = {name: [d for d in spec.shape if isinstance(d, int)] for name, spec in specs.items()}
    return {
        name: tuple(known)
        for name, known in sides.items()
        if known and len(known) == len(specs[name].shape)
    }


def _specs(nodes: Iterable[tuple[str, Any]], path: Path) -> Mapping[str, TensorSpec]:
    return MappingProxyType({name: _spec(name, node, path) for name, node in nodes})


def _spec(name: str, node: Any, path: Path) -> TensorSpec:
    element, shape = node.get_output_element_type(0), node.get_output_partial_shape(0)
    try:
        dtype = np.dtype(element.to_dtype())
    except (RuntimeError, TypeError, KeyError) as error:
        raise BackendError(
            f"{path}: tensor {name!r} has type {element.get_type_name()}, which NumPy cannot hold"
        ) from error
    if shape.rank.is_dynamic:
        return TensorSpec(name, dtype, ())
    return TensorSpec(name, dtype, tuple(None if d.is_dynamic else d.get_length() for d in shape))
