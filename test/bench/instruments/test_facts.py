"""What is told of a card and its libraries, on machines that have neither."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sam3_ros.bench.instruments.facts import card_facts, cudnn_version, facts_of


def test_nvidia_smi_tells_card_driver_and_compute_capability() -> None:
    asked: list[int] = []

    def ask(device_id: int) -> str:
        asked.append(device_id)
        return "NVIDIA H100 80GB HBM3, 580.65.06, 9.0, 81559 MiB\n"

    assert card_facts(1, ask) == {
        "card": "NVIDIA H100 80GB HBM3",
        "driver": "580.65.06",
        "compute capability": "9.0",
        "memory": "81559 MiB",
    }
    assert asked == [1]


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.TimeoutExpired("smi", 10.0)])
def test_without_it_the_kernel_is_asked(tmp_path: Path, error: Exception) -> None:
    def ask(_: int) -> str:
        raise error

    version = tmp_path / "version"
    version.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release")
    assert card_facts(0, ask, version)["driver"] == "540.4.0"
    assert card_facts(0, lambda _: "no devices", tmp_path / "none")["driver"] == "unknown"


class Cudnn:
    """A stand-in for the library."""

    class Version:
        restype = None

        def __init__(self, number: int) -> None:
            self.number = number

        def __call__(self) -> int:
            return self.number

    def __init__(self, number: int) -> None:
        self.cudnnGetVersion = self.Version(number)


@pytest.mark.parametrize(("number", "text"), [(91002, "9.10.2"), (8907, "8.9.7")])
def test_the_version_of_cudnn_is_read(number: int, text: str) -> None:
    assert cudnn_version(lambda _: Cudnn(number)) == text


def test_a_machine_without_cudnn_has_no_version_of_it() -> None:
    def missing(_: str) -> None:
        raise OSError

    assert cudnn_version(missing) == ""


def test_the_cpu_and_the_engine_are_told() -> None:
    facts = facts_of("cpu")

    assert {"CPU", "system", "onnxruntime"} <= {*facts}
    assert "card" not in facts
