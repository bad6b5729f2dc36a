"""Opens a session by its backend's name, or says how to get what is missing."""

from __future__ import annotations

from pathlib import Path

from sam3_ros.core.backends.providers import PROVIDERS, Provider
from sam3_ros.core.errors import BackendError, PrecisionError
from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.core.stages.session import Session, SessionOptions

#: Not run by ONNX Runtime: its wheel with OpenVINO would replace the one for other backends.
OPENVINO = "openvino"
BACKENDS: tuple[str, ...] = (*PROVIDERS, OPENVINO)


def open_session(
    path: Path, backend: str = "cpu", options: SessionOptions | None = None
) -> Session:
    """Load a model file on one of BACKENDS.

    The session runs on the backend that was asked for, never on another. Raises BackendError,
    which names what is missing and how to get it, and PrecisionError where the backend cannot
    compute as options.compute says.
    """
    options = options or SessionOptions()
    if backend not in BACKENDS:
        raise BackendError(
            f"no backend {backend!r}; there are {', '.join(BACKENDS)}"
            f"{did_you_mean(backend, BACKENDS)}"
        )
    if backend == OPENVINO:
        from sam3_ros.core.backends.openvino_session import OpenVinoSession

        return OpenVinoSession(path, options)
    provider = PROVIDERS[backend]
    _require_computing(provider, options)
    if provider.memory != "cpu":
        from sam3_ros.core.backends.device_session import open_device_session

        return open_device_session(path, provider, options)
    from sam3_ros.core.backends.onnxruntime_session import OnnxRuntimeSession

    return OnnxRuntimeSession(path, provider, options)


def _require_computing(provider: Provider, options: SessionOptions) -> None:
    if options.compute not in ("stored", *provider.computes):
        able = [each.backend for each in PROVIDERS.values() if options.compute in each.computes]
        others = f"; {', '.join(able)} can" if able else ""
        raise PrecisionError(
            f"backend {provider.backend!r} cannot compute in {options.compute}{others}"
        )
