"""NVIDIA's libraries: found where pip put them, and asked for their versions."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

log = logging.getLogger(__name__)

#: The backends that need them.
BACKENDS_ON_GPU = ("cuda", "tensorrt")

# TensorRT 10 is what ONNX Runtime 1.20 to 1.31 are linked with, 8 the one of JetPack 6.0.
_TENSORRT = ("libnvinfer.so.10", "libnvinfer.so.8")


def load_gpu_libraries(ort: Any) -> None:
    """Load what pip has installed beside ONNX Runtime, before a provider looks for it.

    The dynamic linker does not search Python's packages. preload_dlls has been there since 1.21; it
    prints what it cannot find, which may be there all the same, in the system's folders.
    """
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
    if told.getvalue():
        log.debug("%s", told.getvalue().strip())
    with contextlib.suppress(ImportError):
        import_module("tensorrt_libs")  # NVIDIA's wheel loads them when it is imported


def cuda_runtime_name() -> str:
    """The CUDA runtime that the installed ONNX Runtime is built for; empty where it does not tell.

    Another one may be in the process as well, loaded by another package. Wheels before 1.21 do not
    tell.
    """
    try:
        version = str(getattr(import_module("onnxruntime"), "cuda_version", "") or "")
    except ImportError:
        return ""
    return f"libcudart.so.{version.partition('.')[0]}" if version else ""


def library_versions(open_library: Callable[[str], Any] = ctypes.CDLL) -> dict[str, str]:
    """Of TensorRT and CUDA as they are linked, which on a Jetson come with the system.

    What cannot be loaded has no entry.
    """
    versions = {}
    tensorrt = _first(_TENSORRT, open_library)
    if tensorrt is not None:
        versions["libnvinfer"] = str(tensorrt.getInferLibVersion())
    runtime = _first(filter(None, [cuda_runtime_name()]), open_library)
    if runtime is not None:
        versions["libcudart"] = str(_cuda_version(runtime))
    return versions


def _first(files: Iterable[str], open_library: Callable[[str], Any]) -> Any:
    for file in files:
        with contextlib.suppress(OSError):
            return open_library(file)
    return None


def _cuda_version(library: Any) -> int:
    number = ctypes.c_int()
    library.cudaRuntimeGetVersion(ctypes.byref(number))
    return number.value
