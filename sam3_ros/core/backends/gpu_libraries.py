"""NVIDIA's libraries: found where pip put them, loaded, and asked for their versions."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import re
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from sam3_ros.core.errors import BackendError

log = logging.getLogger(__name__)

#: The backends that need them.
BACKENDS_ON_GPU = ("cuda", "tensorrt", "tensorrt_rtx")

# ONNX Runtime 1.20 to 1.31 are linked with TensorRT 10, that of JetPack 6.0 with 8.
_TENSORRT = ("libnvinfer.so.10", "libnvinfer.so.8")
_MAPS = Path("/proc/self/maps")


def load_gpu_libraries(ort: Any) -> None:
    """Load the libraries that pip has installed, before one of ONNX Runtime's providers needs them.

    The dynamic linker does not search Python's packages. What is not found is no error: it may be
    in the system's folders.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if hasattr(ort, "preload_dlls"):  # since 1.21; prints what it cannot find
            ort.preload_dlls()
    if printed.getvalue():
        log.debug("%s", printed.getvalue().strip())
    with contextlib.suppress(ImportError):
        import_module("tensorrt_libs")  # NVIDIA's wheel loads them when it is imported


def cuda_runtime_name() -> str:
    """Return the file name of the CUDA runtime that the installed ONNX Runtime is built for.

    Another one may be in the process as well, loaded by another package. Empty where it is unknown:
    wheels before 1.21 do not say.
    """
    try:
        version = str(getattr(import_module("onnxruntime"), "cuda_version", "") or "")
    except ImportError:
        return ""
    return f"libcudart.so.{version.partition('.')[0]}" if version else ""


def loaded_cuda_runtime(name: str, maps: Path = _MAPS) -> Any:
    """Return the CUDA runtime of this name, such as libcudart.so.13: the one that is in use here.

    One that no library has loaded yet is found where ONNX Runtime's provider will find it. name:
    empty for any that is loaded. Raises BackendError if there is none.
    """
    wanted = re.escape(name or "libcudart.so")
    # A line is five fields and the path, which may have spaces (proc(5), /proc/pid/maps).
    line = rf"^(?:\S+ +){{5}}(/(?:.*/)?{wanted}\S*)"
    found = re.search(line, maps.read_text(errors="replace"), re.MULTILINE)
    if found is not None:
        return ctypes.CDLL(found[1])
    if name:
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name)
    raise BackendError(
        f"this process has not loaded the CUDA runtime ({name or 'libcudart'}) of ONNX Runtime, "
        f"and the linker does not find it: put its folder into LD_LIBRARY_PATH"
    )


def library_versions(open_library: Callable[[str], Any] = ctypes.CDLL) -> dict[str, str]:
    """Return the versions of TensorRT and CUDA as linked, which on a Jetson come with the system.

    A library that cannot be loaded has no entry.
    """
    versions = {}
    tensorrt = _first(_TENSORRT, open_library)
    if tensorrt is not None:
        versions["libnvinfer"] = str(tensorrt.getInferLibVersion())
    runtime = _first(filter(None, [cuda_runtime_name()]), open_library)
    if runtime is not None:
        number = ctypes.c_int()
        runtime.cudaRuntimeGetVersion(ctypes.byref(number))
        versions["libcudart"] = str(number.value)
    return versions


def _first(files: Iterable[str], open_library: Callable[[str], Any]) -> Any:
    for file in files:
        with contextlib.suppress(OSError):
            return open_library(file)
    return None
