"""NVIDIA's libraries: loaded before they are needed, and their versions."""

from __future__ import annotations

import ctypes
import logging
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from sam3_ros.core.backends.gpu_libraries import (
    cuda_runtime_name,
    library_versions,
    load_gpu_libraries,
    loaded_cuda_runtime,
)
from sam3_ros.core.backends.machine import engine_versions
from sam3_ros.core.errors import BackendError


class Libraries:
    """A dynamic linker that finds only the libraries in `there`."""

    def __init__(self, *there: str) -> None:
        self._there = there

    def __call__(self, name: str) -> Any:
        if name not in self._there:
            raise OSError(f"{name}: cannot open shared object file")
        return SimpleNamespace(
            getInferLibVersion=lambda: 100300, cudaRuntimeGetVersion=self._cuda_version
        )

    def _cuda_version(self, number: Any) -> int:
        ctypes.cast(number, ctypes.POINTER(ctypes.c_int))[0] = 12060
        return 0


@pytest.fixture
def built_for_cuda_12(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "cuda_version", "12.6")


@pytest.mark.usefixtures("built_for_cuda_12")
@pytest.mark.parametrize(
    ("there", "found"),
    [
        (("libnvinfer.so.10", "libcudart.so.12"), {"libnvinfer": "100300", "libcudart": "12060"}),
        (("libnvinfer.so.8", "libcudart.so.13"), {"libnvinfer": "100300"}),  # CUDA of another
        ((), {}),
    ],
)
def test_the_libraries_say_their_versions(there: tuple[str, ...], found: dict[str, str]) -> None:
    assert library_versions(Libraries(*there)) == found


@pytest.mark.parametrize(
    ("version", "name"), [("13.0", "libcudart.so.13"), ("12.6.3", "libcudart.so.12"), ("", "")]
)
def test_the_cuda_runtime_is_the_one_of_onnx_runtime(
    version: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "cuda_version", version)
    assert cuda_runtime_name() == name


def test_an_engines_key_has_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"libnvinfer": "100300"}
    monkeypatch.setattr("sam3_ros.core.backends.machine.library_versions", lambda: versions)
    assert engine_versions("tensorrt")["libnvinfer"] == "100300"
    assert any(name.startswith("onnxruntime") for name in engine_versions("tensorrt"))


def test_what_pip_installed_is_loaded_first(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_libs", ModuleType("tensorrt_libs"))
    ort = SimpleNamespace(preload_dlls=lambda: print("Failed to load libcublas.so.13"))
    with caplog.at_level(logging.DEBUG):
        load_gpu_libraries(ort)
    assert "libcublas.so.13" in caplog.text
    assert capsys.readouterr().out == "", "what another library prints goes to the log"


def test_an_onnx_runtime_that_cannot_preload_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_libs", None)
    load_gpu_libraries(SimpleNamespace())


def test_without_a_cuda_runtime_in_the_process_it_says_so(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libc.so.6\n")
    for name in ("libcudart.so.0", ""):
        with pytest.raises(BackendError, match="libcudart"):
            loaded_cuda_runtime(name, maps)


def test_the_runtime_that_is_loaded_is_the_one_taken(tmp_path: Path) -> None:
    """The C library takes the place of CUDA's, under its name."""
    loaded = Path("/proc/self/maps").read_text(encoding="utf-8")
    c_library = re.search(r"/\S*/libc[.-]\S*", loaded)
    assert c_library is not None
    library = tmp_path / "with a space" / "libcudart.so.13"
    library.parent.mkdir()
    library.symlink_to(c_library[0])
    maps = tmp_path / "maps"
    another = "7f00-7f01 r-xp 00000000 08:01 1     /usr/lib/libcudart.so.12\n"
    maps.write_text(f"{another}7f00-7f01 r-xp 00000000 08:01 1                    {library}\n")
    assert loaded_cuda_runtime("libcudart.so.13", maps).abs(-3) == 3
    maps.write_text(f"7f00-7f01 r-xp 00000000 08:01 1                    {library}\n")
    assert loaded_cuda_runtime("", maps).abs(-3) == 3, "without a name, any"
