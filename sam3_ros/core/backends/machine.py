"""What an engine that was built here depends on: the libraries' versions and the device."""

from __future__ import annotations

import platform
import re
from functools import cache
from importlib import import_module, metadata
from pathlib import Path

from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU, library_versions

UNKNOWN = "unknown"
_ONNX_RUNTIME = frozenset({"onnxruntime", "onnxruntime-gpu"})
# Wheels, where they are installed; a Jetson has TensorRT and CUDA from its system.
_PACKAGES = {
    "cpu": _ONNX_RUNTIME,
    "cuda": _ONNX_RUNTIME,
    "tensorrt": _ONNX_RUNTIME | {"tensorrt", "tensorrt-cu12", "tensorrt-cu13"},
    "tensorrt_rtx": _ONNX_RUNTIME
    | {"onnxruntime-ep-nv-tensorrt-rtx-cu12", "onnxruntime-ep-nv-tensorrt-rtx-cu13"},
    "openvino": frozenset({"openvino"}),
}
# TensorRT for RTX comes with its package, libraries and all.
_LINKED = frozenset(BACKENDS_ON_GPU) - {"tensorrt_rtx"}


def engine_versions(backend: str) -> dict[str, str]:
    """Return the versions of a backend's installed packages, and of NVIDIA's libraries."""
    wanted = sorted(_PACKAGES.get(backend, ()))
    installed = {each.name.lower(): each.version for each in metadata.distributions()}
    packages = {name: installed[name] for name in wanted if name in installed}
    return {**packages, **(library_versions() if backend in _LINKED else {})}


@cache
def cpu_model() -> str:
    """Return the CPU's name as the system gives it."""
    fields = _cpu_fields()
    return fields.get("model name") or fields.get("CPU part") or platform.machine() or UNKNOWN


@cache
def cpu_flags() -> frozenset[str]:
    """Return the CPU's instruction sets, which compiled code depends on; empty if unknown."""
    fields = _cpu_fields()
    return frozenset((fields.get("flags") or fields.get("Features") or "").split())


def _cpu_fields() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    # Of several cores, the last one's fields remain.
    return dict(re.findall(r"^([\w ]+?)\s*:\s*(.*)$", text, re.MULTILINE))


def gpu_name(device_id: int) -> str:
    """Return a GPU's name and compute capability by NVML, or what the driver says without NVML."""
    try:
        nvml = import_module("pynvml")
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByIndex(device_id)
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
        return f"{nvml.nvmlDeviceGetName(handle)}, compute capability {major}.{minor}"
    except Exception:  # no such library, no driver, a board without NVML
        return _gpu_in_proc(device_id)


def _gpu_in_proc(device_id: int) -> str:
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    if device_id < len(cards):
        model = re.search(r"Model:\s*(.+)", cards[device_id].read_text(errors="replace"))
        return model[1].strip() if model else UNKNOWN
    board = Path("/proc/device-tree/model")  # a Jetson
    return board.read_text(errors="replace").strip("\0\n ") if board.is_file() else UNKNOWN
