"""Providers that ONNX Runtime loads from packages of their own, and the devices that they list.

A plug-in's library is registered once in a process. It then lists the devices that it can run on,
and a session is made for one of them (ONNX Runtime, "Using a Plugin Execution Provider Library").
Its tensors are addressed like those of ONNX Runtime's own CUDA provider: "cuda" is any memory of
an NVIDIA GPU.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from sam3_ros.core.backends.providers import Plugin, Provider
from sam3_ros.core.errors import BackendError

# cudaDeviceAttr: cudaDevAttrComputeCapabilityMajor and ...Minor
_MAJOR, _MINOR = 75, 76


def plugin_device(ort: Any, provider: Provider, index: int) -> Any:
    """Return the OrtEpDevice of a plug-in's provider whose index is that of the CUDA device.

    ort: the module onnxruntime. Raises BackendError if the package is missing, ONNX Runtime is too
    old, the library cannot be loaded, or it does not list the device.
    """
    assert provider.plugin is not None, "only for plug-ins"
    _require_version(ort, provider, provider.plugin)
    library = _library(provider, provider.plugin)
    runtime = load_own_runtime(library.parent)
    _register(ort, provider, library)
    listed = {_index(ort, each): each for each in _listed(ort, provider)}
    if not listed:
        raise BackendError(
            f"backend {provider.backend!r} needs {provider.needs}, and {provider.package} lists "
            f"none here: {cards(runtime)}; update the driver, or take backend cuda or tensorrt"
        )
    if index not in listed:
        raise BackendError(
            f"device_id is {index}, and backend {provider.backend!r} can run on "
            f"{', '.join(map(str, sorted(listed)))}: give one of these"
        )
    return listed[index]


def load_own_runtime(folder: Path, open_library: Callable[[str], Any] = ctypes.CDLL) -> Any | None:
    """Load the CUDA runtime that a plug-in's package brings; return it, None where it has none.

    The package asks the linker for libcudart.so.13, and its own file has another name, so that it
    would be found only where CUDA is installed.
    """
    for file in sorted(folder.glob("libcudart.so.*")):
        with suppress(OSError):
            return open_library(str(file))
    return None


def cards(runtime: Any | None) -> str:
    """Say what cards the CUDA runtime finds: their compute capability, or why there are none."""
    if runtime is None:
        return "its CUDA runtime cannot be loaded"
    count = ctypes.c_int()
    if status := runtime.cudaGetDeviceCount(ctypes.byref(count)):
        runtime.cudaGetErrorString.restype = ctypes.c_char_p
        return f"CUDA reports {runtime.cudaGetErrorString(status).decode()!r}"
    found = [f"GPU {i} has {_capability(runtime, i)}" for i in range(count.value)]
    return ", ".join(found) or "CUDA finds no card"


def _capability(runtime: Any, index: int) -> str:
    numbers = []
    for attribute in (_MAJOR, _MINOR):
        number = ctypes.c_int()
        runtime.cudaDeviceGetAttribute(ctypes.byref(number), attribute, index)
        numbers.append(str(number.value))
    return f"compute capability {'.'.join(numbers)}"


def _require_version(ort: Any, provider: Provider, plugin: Plugin) -> None:
    numbers = ort.__version__.split(".")
    if (int(numbers[0]), int(numbers[1])) < plugin.since:
        raise BackendError(
            f"backend {provider.backend!r} needs ONNX Runtime {'.'.join(map(str, plugin.since))} "
            f"or later, and this is {ort.__version__}: `pip install --upgrade onnxruntime`"
        )


def _library(provider: Provider, plugin: Plugin) -> Path:
    try:
        return Path(import_module(plugin.module).get_library_path())
    except (ImportError, OSError) as error:
        raise BackendError(
            f"backend {provider.backend!r} needs {provider.name}, a plug-in of ONNX Runtime, which "
            f"is not installed ({error}): {provider.how_to_get()}"
        ) from error


def _register(ort: Any, provider: Provider, library: Path) -> None:
    if _listed(ort, provider):
        return
    try:
        ort.register_execution_provider_library(provider.name, str(library))
    except Exception as error:
        if "already registered" in str(error):  # it lists no device
            return
        raise BackendError(
            f"backend {provider.backend!r} cannot load its library: {error}; it needs "
            f"{provider.needs}"
        ) from error


def _listed(ort: Any, provider: Provider) -> list[Any]:
    return [each for each in ort.get_ep_devices() if each.ep_name == provider.name]


def _index(ort: Any, device: Any) -> int:
    """Return CUDA's index of a device; the order of the list is that of the PCI slots."""
    return int(device.memory_info(ort.OrtDeviceMemoryType.DEFAULT).device_id)
