"""A session on ONNX Runtime, on exactly the provider that was asked for."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from sam3_ros.core.backends.cpu_memory import (
    SHARES_ARENA,
    give_back_free_memory,
    make_arena,
    run_bound,
)
from sam3_ros.core.backends.gpu_libraries import load_gpu_libraries
from sam3_ros.core.backends.plugin_provider import plugin_device
from sam3_ros.core.backends.providers import OPTIONS_SINCE, PROVIDERS, Provider
from sam3_ros.core.errors import BackendError, InferenceError
from sam3_ros.core.stages.session import Array, SessionOptions, TensorSpec

log = logging.getLogger(__name__)

# ONNX Runtime's severity: its warnings are about details of a graph, which help no user.
ONLY_ERRORS = 3

_DTYPES = {
    "bool": np.bool_,
    "double": np.float64,
    "float": np.float32,
    "float16": np.float16,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
}

# From this version on a session may say how long its threads wait for the next operator before
# they sleep (github.com/microsoft/onnxruntime, pull request 27916). To wake one takes longer than
# many an operator of a small model: docs/benchmarks.md, What waiting brings.
_WAITS_BRIEFLY = (1, 26)
_WAIT_US = 50

# ONNX Runtime's exceptions about the file itself, which no options change.
_OF_THE_FILE = frozenset({"InvalidGraph", "InvalidProtobuf", "NoModel", "NoSuchFile"})


class EngineRefusalError(BackendError):
    """ONNX Runtime can read a file, but makes no session of it with these options."""


class OnnxRuntimeSession:
    """One ONNX file, loaded."""

    def __init__(self, path: Path, provider: Provider, options: SessionOptions) -> None:
        """Raises BackendError where the engine or the provider is lacking or refuses the file."""
        ort = import_onnxruntime()
        device = None
        if provider.plugin is not None:
            device = plugin_device(ort, provider, options.device_id)
        else:
            provider.require_available(ort.get_available_providers())
            if provider.memory == "cuda":
                load_gpu_libraries(ort)
        options = self._prepared(ort, provider, options)
        try:
            engine = _engine_options(ort, options, provider)
            asked = provider.request(options)
            if device is not None:
                engine.add_provider_for_devices([device], dict(asked)[provider.name])
            with self._turn():
                session = ort.InferenceSession(
                    str(path),
                    sess_options=engine,
                    providers=asked if device is None else None,
                    enable_fallback=0,  # else another provider is tried, this one's error lost
                )
        except Exception as error:
            kind = BackendError if type(error).__name__ in _OF_THE_FILE else EngineRefusalError
            raise kind(
                f"{path} cannot be loaded on backend {provider.backend!r}: {error}"
                f"{_remedy(ort, provider, str(error))}"
            ) from error
        # By default a failing provider would be replaced in the middle of a run.
        session.disable_fallback()
        provider.require_running(session.get_providers())
        if provider.backend != "cpu":
            _require_placement(session, provider, path)
        self._path = path
        self._shares_arena = _shares_arena(options, provider)
        self._session: Any = session
        self._provider = provider.name
        self._inputs = _specs(session.get_inputs(), path)
        self._outputs = _specs(session.get_outputs(), path)

    def _turn(self) -> AbstractContextManager[object]:
        """Held while the engine takes memory for the session."""
        return nullcontext()

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
        return run_bound(self._opened(), self._inputs, self._outputs, feeds)

    def close(self) -> None:
        if self._session is not None and self._shares_arena:
            self._session = None
            give_back_free_memory(import_onnxruntime())
        self._session = None

    def _prepared(self, _ort: Any, _provider: Provider, options: SessionOptions) -> SessionOptions:
        """Return the options to open the session with; called once the libraries are loaded."""
        return options

    def _opened(self) -> Any:
        if self._session is None:
            raise InferenceError(f"the session of {self._path} is closed")
        return self._session


def loading_stops_python() -> bool:
    """Return whether no other thread of Python runs while a session is made.

    True before 1.31 (github.com/microsoft/onnxruntime, issue 27063; measured from 1.24 on).
    """
    return _version(import_onnxruntime()) < (1, 31)


def _version(ort: Any) -> tuple[int, int]:
    major, minor, *_ = ort.__version__.split(".")
    return int(major), int(minor)


def import_onnxruntime() -> Any:
    """Return ONNX Runtime. Raises BackendError, with how to get it, where it is missing."""
    try:
        ort = import_module("onnxruntime")
    except ImportError as error:
        how = PROVIDERS["cpu"].how_to_get()
        raise BackendError(f"ONNX Runtime cannot be imported ({error}): {how}") from error
    _log_errors_only(ort)
    return ort


@cache
def _log_errors_only(ort: Any) -> None:
    """Keep the warnings of ONNX Runtime's default logger off stderr, as those of the sessions are.

    1.31 warns at every session of a provider that is built in that there is no plug-in of that name
    ("No registered plugin EP device found").
    """
    ort.set_default_logger_severity(ONLY_ERRORS)


def _engine_options(ort: Any, options: SessionOptions, provider: Provider) -> Any:
    engine = ort.SessionOptions()
    if provider.backend != "cpu":
        engine.add_session_config_entry(RECORD_PLACEMENT, "1")
    engine.log_severity_level = ONLY_ERRORS
    if options.threads is not None:
        engine.intra_op_num_threads = options.threads
    engine.enable_cpu_mem_arena = options.keep_memory
    if _shares_arena(options, provider):
        make_arena(ort)
        for name, value in SHARES_ARENA.items():
            engine.add_session_config_entry(name, value)
        # It would take one large piece for all tensors of a run, which fits no other stage.
        engine.enable_mem_pattern = False
    _let_idle_threads_sleep(ort, engine)
    return engine


def _let_idle_threads_sleep(ort: Any, engine: Any) -> None:
    """By default they wait for work so long that they take the cores from the next stage."""
    briefly = _version(ort) >= _WAITS_BRIEFLY
    engine.add_session_config_entry("session.inter_op.allow_spinning", "0")
    engine.add_session_config_entry("session.intra_op.allow_spinning", "1" if briefly else "0")
    if briefly:
        engine.add_session_config_entry("session.intra_op.spin_duration_us", str(_WAIT_US))


def _shares_arena(options: SessionOptions, provider: Provider) -> bool:
    return options.keep_memory and provider.backend == "cpu"


def _remedy(ort: Any, provider: Provider, error: str) -> str:
    """Say what to do about an error of this provider, if that is known."""
    if re.search("Unknown provider option|Invalid TensorRT EP option", error):
        if provider.plugin is not None:
            return f"; install the newest {provider.package}"
        return (
            f"; this is ONNX Runtime {ort.__version__}, which lacks options that {OPTIONS_SINCE} "
            f"has: install that or a later one"
        )
    return "" if provider.memory == "cpu" else f"; it needs {provider.needs}"


# Which nodes a session left to the CPU though it was to run elsewhere. ONNX Runtime silently gives
# the CPU every operator that a provider lacks. Computing shapes is meant to be there (onnxruntime
# pull request 4940); a network's arithmetic is not: its tensors would be copied at every run.

#: A session records where its nodes run if this is "1"; versions before 1.24 ignore it.
RECORD_PLACEMENT = "session.record_ep_graph_assignment_info"
#: Operators that are never part of a computation of shapes.
# fmt: off
ARITHMETIC = frozenset({
    "Attention", "AveragePool", "BatchNormalization", "BiasGelu", "BiasSoftmax", "Conv",
    "ConvInteger", "ConvTranspose", "DynamicQuantizeLinear", "DynamicQuantizeMatMul",
    "Einsum", "Erf", "FastGelu", "FusedConv", "FusedGemm", "FusedMatMul", "Gelu", "Gemm",
    "GlobalAveragePool", "GridSample", "GroupNormalization", "HardSwish",
    "InstanceNormalization", "LayerNormalization", "MatMul", "MatMulInteger",
    "MatMulIntegerToFloat", "MaxPool", "MultiHeadAttention", "QGemm", "QLinearConv",
    "QLinearMatMul", "QuickGelu", "Resize", "RoiAlign", "Sigmoid", "SkipLayerNormalization",
    "Softmax", "Tanh"
})
# fmt: on


def nodes_on_cpu(session: Any) -> Counter[str] | None:
    """Count the nodes on the CPU by operator; None before ONNX Runtime 1.24, which does not say."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    return Counter(
        node.op_type
        for subgraph in session.get_provider_graph_assignment_info()
        if subgraph.ep_name == PROVIDERS["cpu"].name
        for node in subgraph.get_nodes()
    )


def require_no_arithmetic(on_cpu: Mapping[str, int], backend: str, path: object) -> None:
    """Raise BackendError if more than shapes and bookkeeping is left to the CPU."""
    left = sorted(ARITHMETIC.intersection(on_cpu))
    if left:
        listed = ", ".join(f"{on_cpu[name]} {name}" for name in left)
        raise BackendError(
            f"{path} was to run on backend {backend!r}, which leaves {listed} to the CPU: take "
            f"files of another precision (int8 is for the CPU), or run this stage on cpu"
        )


def _require_placement(session: Any, provider: Provider, path: Path) -> None:
    on_cpu = nodes_on_cpu(session)
    if on_cpu is None:
        log.debug("%s: this ONNX Runtime does not say what it leaves to the CPU", path.name)
        return
    require_no_arithmetic(on_cpu, provider.backend, path)
    log.debug("%s: left to the CPU: %s", path.name, dict(on_cpu) or "nothing")


def _specs(arguments: Iterable[Any], path: Path) -> Mapping[str, TensorSpec]:
    return MappingProxyType({each.name: _spec(each, path) for each in arguments})


def _spec(argument: Any, path: Path) -> TensorSpec:
    element = re.fullmatch(r"tensor\((\w+)\)", argument.type)
    if element is None or element[1] not in _DTYPES:
        raise BackendError(
            f"{path}: tensor {argument.name!r} has type {argument.type}, which NumPy cannot hold; "
            f"export it as one of {', '.join(_DTYPES)}"
        )
    return TensorSpec(argument.name, np.dtype(_DTYPES[element[1]]), tuple(argument.shape))
