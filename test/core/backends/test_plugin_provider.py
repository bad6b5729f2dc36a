"""A provider that ONNX Runtime loads as a plug-in: refused with a reason, or the device asked for.

A stand-in takes the place of ONNX Runtime's list of devices, which on a machine without a card is
empty. The last test is against the real package, where it is installed.
"""

from __future__ import annotations

import ctypes
import sys
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx_graph import OnnxGraph

from sam3_ros.core.backends import onnxruntime_session, open_session, plugin_provider
from sam3_ros.core.backends.onnxruntime_session import EngineRefusalError, OnnxRuntimeSession
from sam3_ros.core.backends.plugin_provider import cards, load_own_runtime, plugin_device
from sam3_ros.core.backends.providers import PROVIDERS, Plugin
from sam3_ros.core.errors import BackendError
from sam3_ros.core.stages.session import SessionOptions

RTX = PROVIDERS["tensorrt_rtx"]
MODULE = "onnxruntime_ep_nv_tensorrt_rtx"
INSUFFICIENT = 35  # cudaErrorInsufficientDriver


class Device:
    """An OrtEpDevice, as far as it is asked for."""

    def __init__(self, index: int, ep_name: str = RTX.name) -> None:
        self.ep_name = ep_name
        self._index = index

    def memory_info(self, _: object) -> Any:
        return SimpleNamespace(device_id=self._index)


class OnnxRuntime:
    """The module onnxruntime: `devices` are listed once the library is registered."""

    # ONNX Runtime has it since 1.23, and older ones run what is no plug-in.
    OrtDeviceMemoryType = SimpleNamespace(DEFAULT=0)

    def __init__(self, *devices: Device, version: str = "1.32.0", error: str = "") -> None:
        self.__version__ = version
        self.registered: list[tuple[str, str]] = []
        self._devices = devices
        self._error = error

    def register_execution_provider_library(self, name: str, path: str) -> None:
        if self._error:
            raise RuntimeError(self._error)
        if self.registered:
            raise RuntimeError(f"EP library is already registered under {name}")
        self.registered.append((name, path))

    def get_ep_devices(self) -> list[Device]:
        cpu = Device(0, "CPUExecutionProvider")
        return [cpu, *self._devices] if self.registered else [cpu]


class Runtime:
    """The CUDA runtime: cards of these compute capabilities, or an error."""

    def __init__(self, *capabilities: tuple[int, int], error: int = 0) -> None:
        self._capabilities = capabilities
        self._error = error
        self.cudaGetErrorString = lambda _: b"CUDA driver version is insufficient"

    def cudaGetDeviceCount(self, out: Any) -> int:  # noqa: N802, CUDA's name
        ctypes.cast(out, ctypes.POINTER(ctypes.c_int))[0] = len(self._capabilities)
        return self._error

    def cudaDeviceGetAttribute(self, out: Any, attribute: int, index: int) -> int:  # noqa: N802
        number = self._capabilities[index][attribute - 75]
        ctypes.cast(out, ctypes.POINTER(ctypes.c_int))[0] = number
        return 0


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package without libraries; return the path of its plug-in."""
    module = ModuleType(MODULE)
    path = tmp_path / "libonnxruntime_providers_nv_tensorrt_rtx.so"
    module.get_library_path = lambda: str(path)
    monkeypatch.setitem(sys.modules, MODULE, module)
    return path


def test_the_device_has_the_index_that_cuda_gives_it(package: Path) -> None:
    listed = [Device(1), Device(0)]  # in the order of the PCI slots
    ort = OnnxRuntime(*listed)
    assert plugin_device(ort, RTX, 0) is listed[1]
    assert plugin_device(ort, RTX, 1) is listed[0]
    assert ort.registered == [(RTX.name, str(package))], "once in a process"


@pytest.mark.usefixtures("package")
def test_a_device_that_is_not_listed_is_refused_with_those_that_are() -> None:
    with pytest.raises(BackendError, match=r"device_id is 2, .* can run on 0, 1: give one"):
        plugin_device(OnnxRuntime(Device(1), Device(0)), RTX, 2)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(BackendError) as caught:
        plugin_device(OnnxRuntime(Device(0)), RTX, 0)
    assert "`pip install onnxruntime-ep-nv-tensorrt-rtx`; it needs an NVIDIA RTX" in str(
        caught.value
    )


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("version", ["1.20.1", "1.24.4"])
def test_an_onnx_runtime_that_is_too_old_is_named(version: str) -> None:
    with pytest.raises(BackendError, match=rf"needs ONNX Runtime 1\.25 or later.*is {version}"):
        plugin_device(OnnxRuntime(Device(0), version=version), RTX, 0)


@pytest.mark.usefixtures("package")
def test_a_library_that_cannot_be_loaded_is_no_other_backend() -> None:
    ort = OnnxRuntime(error="libcuda.so.1: cannot open shared object file")
    with pytest.raises(BackendError, match=r"cannot load its library: libcuda\.so\.1.*driver"):
        plugin_device(ort, RTX, 0)


@pytest.mark.usefixtures("package")
def test_no_card_is_an_error_each_time() -> None:
    ort = OnnxRuntime()
    for _ in range(2):  # ONNX Runtime refuses to register the library twice
        with pytest.raises(BackendError, match=r"8\.6, 8\.9 or 12\.0.* lists none here: "):
            plugin_device(ort, RTX, 0)


@pytest.mark.usefixtures("package")
def test_a_card_of_another_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_provider, "load_own_runtime", lambda _: Runtime((9, 0)))
    with pytest.raises(BackendError, match=r"GPU 0 has compute capability 9\.0; .*cuda or tens"):
        plugin_device(OnnxRuntime(), RTX, 0)


def test_what_the_cuda_runtime_finds() -> None:
    assert cards(Runtime((8, 7), (9, 0))) == (
        "GPU 0 has compute capability 8.7, GPU 1 has compute capability 9.0"
    )
    assert cards(Runtime()) == "CUDA finds no card"
    assert "'CUDA driver version is insufficient'" in cards(Runtime(error=INSUFFICIENT))
    assert cards(None) == "its CUDA runtime cannot be loaded"


def test_the_packages_own_cuda_runtime_is_loaded(tmp_path: Path) -> None:
    assert load_own_runtime(tmp_path) is None
    (tmp_path / "libcudart.so.13.4.36").write_bytes(b"no library")
    assert load_own_runtime(tmp_path) is None
    opened = load_own_runtime(tmp_path, lambda name: name)
    assert opened == str(tmp_path / "libcudart.so.13.4.36")


# ONNX Runtime lists its CPU as a device too, so a "plug-in" that is the CPU goes the same way.
ON_CPU = replace(
    PROVIDERS["cpu"], backend="tensorrt_rtx", plugin=Plugin(MODULE, (1, 20)), package="a package"
)


@pytest.fixture
def cpu_as_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(onnxruntime, "get_ep_devices"):
        pytest.skip("this ONNX Runtime has no plug-ins")
    monkeypatch.setattr(plugin_provider, "_library", lambda *_: Path("no library"))
    monkeypatch.setattr(plugin_provider, "_index", lambda *_: 0)


@pytest.fixture
def caster(tmp_path: Path) -> Path:
    """Write a model without arithmetic, out = int64(in), f32[1,3]."""
    g = OnnxGraph("caster")
    g.output(g.cast(g.input("in", np.float32, (1, 3)), np.int64), "out", np.int64, (1, 3))
    return g.save(tmp_path / "caster.onnx")


@pytest.mark.usefixtures("cpu_as_plugin")
def test_a_session_is_made_for_the_device(caster: Path) -> None:
    session = OnnxRuntimeSession(caster, ON_CPU, SessionOptions(threads=1))
    assert session.provider == "CPUExecutionProvider"
    assert session.run({"in": np.full((1, 3), 2.5, np.float32)})["out"].tolist() == [[2, 2, 2]]


@pytest.mark.usefixtures("cpu_as_plugin")
def test_an_option_that_the_plugin_lacks_says_what_to_install(caster: Path) -> None:
    def refuse(_: SessionOptions) -> list[Any]:
        raise RuntimeError('Unknown provider option: "nv_of_tomorrow".')

    provider = replace(ON_CPU, request=refuse)
    with pytest.raises(EngineRefusalError, match=r"nv_of_tomorrow.*install the newest a package"):
        OnnxRuntimeSession(caster, provider, SessionOptions())


@pytest.mark.usefixtures("cpu_as_plugin")
def test_arithmetic_that_the_plugin_leaves_to_the_cpu_is_refused(
    caster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Counter({"DynamicQuantizeLinear": 3, "MatMulInteger": 3, "Cast": 9})
    monkeypatch.setattr(onnxruntime_session, "nodes_on_cpu", lambda _: left)
    with pytest.raises(BackendError, match=r"'tensorrt_rtx', which leaves 3 Dynamic.*int8 is for"):
        OnnxRuntimeSession(caster, ON_CPU, SessionOptions())


@pytest.mark.skipif(find_spec(MODULE) is None, reason=f"{RTX.package} is not installed")
def test_the_real_package_finds_a_card_or_says_why_not(caster: Path) -> None:
    try:
        device = plugin_device(onnxruntime, RTX, 0)
    except BackendError as error:
        assert "lists none here" in str(error) or "cannot load its library" in str(error)
        with pytest.raises(BackendError, match=r"compute capability 8\.6, 8\.9"):
            open_session(caster, "tensorrt_rtx", SessionOptions(file_precision="fp16"))
        return
    assert device.ep_name == RTX.name
    memory = device.memory_info(onnxruntime.OrtDeviceMemoryType.DEFAULT)
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type([3], np.float32, "cuda", 0)
    value.update_inplace(np.arange(3, dtype=np.float32))
    assert memory.device_id == 0 and value.numpy().tolist() == [0, 1, 2]
    session = open_session(caster, "tensorrt_rtx", SessionOptions(file_precision="fp16"))
    assert session.run({"in": np.full((1, 3), 2.5, np.float32)})["out"].tolist() == [[2, 2, 2]]
