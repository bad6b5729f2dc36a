"""What each backend is called in ONNX Runtime, and how to get it where it is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU
from sam3_ros.core.backends.gpu_options import (
    Request,
    cuda_request,
    tensorrt_replays,
    tensorrt_request,
)
from sam3_ros.core.backends.machine import gpu_name
from sam3_ros.core.errors import BackendError
from sam3_ros.core.stages.session import SessionOptions

__all__ = ["BACKENDS_ON_GPU", "PROVIDERS", "Provider"]


@dataclass(frozen=True)
class Provider:
    """A backend as ONNX Runtime's execution provider.

    package: the wheel that holds it. needs: what the machine must have besides. request: the
    providers to ask for, best first. engines_for: the device that it builds engines for, by its
    index; None where it builds none. keeps_timings: it also keeps what it measured while it built.
    memory: ONNX Runtime's name for the kind of memory its tensors are in. replays: whether a
    session with these options replays its runs from CUDA graphs.
    """

    backend: str
    name: str
    package: str
    needs: str
    request: Callable[[SessionOptions], list[Request]]
    engines_for: Callable[[int], str] | None = None
    keeps_timings: bool = False
    memory: str = "cpu"
    replays: Callable[[SessionOptions], bool] = lambda _: False

    def require_available(self, available: Sequence[str]) -> None:
        """Raise BackendError unless the installed ONNX Runtime was built with this provider."""
        if self.name not in available:
            raise BackendError(
                f"backend {self.backend!r} needs ONNX Runtime's {self.name}, and the installed one "
                f"has only {', '.join(available) or 'none'}: {self.how_to_get()}"
            )

    def require_running(self, running: Sequence[str]) -> None:
        """Raise BackendError if the session came up on another provider."""
        if not running or running[0] != self.name:
            raise BackendError(
                f"backend {self.backend!r} was asked for, but ONNX Runtime could not start "
                f"{self.name} and would run on {', '.join(running) or 'nothing'}: it needs "
                f"{self.needs}"
            )

    def how_to_get(self) -> str:
        """One line: the pip command and what the machine needs."""
        swap = "" if self.package == "onnxruntime" else "pip uninstall -y onnxruntime && "
        return f"`{swap}pip install {self.package}`; it needs {self.needs}"


def _cpu(_options: SessionOptions) -> list[Request]:
    return [("CPUExecutionProvider", {})]


_CUDA_NEEDS = "an NVIDIA GPU with its driver, CUDA 13 and cuDNN 9 (for onnxruntime-gpu 1.31)"

PROVIDERS = {
    provider.backend: provider
    for provider in (
        Provider("cpu", "CPUExecutionProvider", "onnxruntime", "nothing else", _cpu),
        Provider(
            "cuda",
            "CUDAExecutionProvider",
            "onnxruntime-gpu",
            _CUDA_NEEDS,
            cuda_request,
            memory="cuda",
            replays=lambda options: options.cuda_graphs,
        ),
        Provider(
            "tensorrt",
            "TensorrtExecutionProvider",
            "onnxruntime-gpu",
            f"{_CUDA_NEEDS}, and the TensorRT 10 libraries (pip install tensorrt-cu13==10.*)",
            tensorrt_request,
            engines_for=gpu_name,
            keeps_timings=True,
            memory="cuda",
            replays=tensorrt_replays,
        ),
    )
}
