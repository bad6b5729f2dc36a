"""Device sessions in the host's memory, and what crosses between them and the host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from cuda_runtime import CudaRuntime
from onnx_graph import OnnxGraph

from sam3_ros.core.backends import device_session, open_session
from sam3_ros.core.backends.device_memory import StreamedCudaMemory
from sam3_ros.core.backends.device_session import OnnxRuntimeDeviceSession, open_device_session
from sam3_ros.core.backends.device_stream import DeviceStream
from sam3_ros.core.backends.providers import PROVIDERS
from sam3_ros.core.stages.session import Array, DeviceTensor, Session, SessionOptions, Tensor
from sam3_ros.core.stages.session_wrapper import WrappedOnDevice

#: A provider on the host that replays "graphs": ONNX Runtime ignores the option there.
ON_HOST = replace(PROVIDERS["cpu"], replays=lambda options: options.cuda_graphs)
PLAIN = SessionOptions(threads=1)
REPLAYED = SessionOptions(threads=1, cuda_graphs=True)


def on_device(path: Path, options: SessionOptions = PLAIN) -> OnnxRuntimeDeviceSession:
    return open_device_session(path, ON_HOST, options)


def doubler_file(path: Path, rows: int | str = "n") -> Path:
    """Write the model out = 2 * in, f32[1,rows,3]."""
    g = OnnxGraph("doubler")
    value = g.input("in", np.float32, (1, rows, 3))
    g.output(g.scaled(value, 2.0), "out", np.float32, (1, rows, 3))
    return g.save(path)


@dataclass
class Traffic:
    """What crossed the session seam, as (stage, name of a tensor in its file)."""

    #: Inputs that came from the host.
    to_device: list[tuple[str, str]] = field(default_factory=list)
    #: Inputs that were on the device.
    in_place: list[tuple[str, str]] = field(default_factory=list)
    #: Outputs that somebody read on the host.
    to_host: list[tuple[str, str]] = field(default_factory=list)
    #: How many bytes of each were read.
    bytes_to_host: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: The stages that ran.
    runs: list[str] = field(default_factory=list)
    #: Outputs that were read first after a run: the host waits for the device.
    waits: list[tuple[str, str]] = field(default_factory=list)
    #: For each of them, the stage that was started last.
    started_before_waits: list[str] = field(default_factory=list)
    #: Whether something runs that nobody has waited for.
    is_running: bool = False

    def read_in_place(self, stage: str) -> set[str]:
        return {name for each, name in self.in_place if each == stage}


class StreamedOnHost(StreamedCudaMemory):
    """A GPU's memory and its stream, both in the host's memory."""

    kind = "cpu"


def compute_in_a_stream(monkeypatch: pytest.MonkeyPatch, cuda: CudaRuntime) -> DeviceStream:
    """Let all device sessions of a test compute in one stream of the stand-in for CUDA."""
    stream = DeviceStream(0, cuda)
    memory = StreamedOnHost(stream)
    monkeypatch.setattr(device_session, "device_memory", lambda *_: memory)
    return stream


class CountedTensor:
    """A DeviceTensor that records its copies to the host."""

    def __init__(self, real: DeviceTensor, copied: Callable[[int], None]) -> None:
        """copied: called with the number of bytes."""
        self.real = real
        self.dtype, self.shape, self.nbytes = real.dtype, real.shape, real.nbytes
        self.device = real.device
        self._copied = copied

    def numpy(self) -> Array:
        self._copied(self.nbytes)
        return self.real.numpy()

    def block(self, row: int, count: int | None = None) -> CountedTensor:
        part = self.real.block(row, count)
        assert not isinstance(part, np.ndarray), "nothing crosses to the host"
        return CountedTensor(part, self._copied)


class CountedSession(WrappedOnDevice):
    """A device session that records its traffic."""

    def __init__(self, stage: str, real: OnnxRuntimeDeviceSession, traffic: Traffic) -> None:
        super().__init__(real)
        self._stage = stage
        self._traffic = traffic

    def run_on_device(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        given: dict[str, Tensor] = {}
        self._traffic.runs.append(self._stage)
        self._traffic.is_running = True
        for name, value in feeds.items():
            is_there = isinstance(value, CountedTensor)
            kept = self._traffic.in_place if is_there else self._traffic.to_device
            kept.append((self._stage, name))
            given[name] = value.real if isinstance(value, CountedTensor) else value
        return {
            name: CountedTensor(value, partial(self._read, name))
            for name, value in super().run_on_device(given).items()
        }

    def keep(self, name: str, array: Array) -> CountedTensor:
        self._traffic.to_device.append((self._stage, name))
        return CountedTensor(super().keep(name, array), partial(self._read, name))

    def _read(self, name: str, nbytes: int) -> None:
        self._traffic.to_host.append((self._stage, name))
        self._traffic.bytes_to_host[self._stage, name] += nbytes
        if self._traffic.is_running:
            self._traffic.waits.append((self._stage, name))
            self._traffic.started_before_waits.append(self._traffic.runs[-1])
            self._traffic.is_running = False


class Devices:
    """An OpenSession of device sessions; the stages in `plain` run on the host."""

    def __init__(self, graphs: bool = False, plain: frozenset[str] = frozenset()) -> None:
        self.on_device: dict[str, OnnxRuntimeDeviceSession] = {}
        self.traffic = Traffic()
        self._graphs = graphs
        self._plain = plain

    def __call__(self, path: Path, _: str, options: SessionOptions) -> Session:
        options = replace(options, threads=1, cuda_graphs=self._graphs)
        if path.stem in self._plain:
            return open_session(path, "cpu", options)
        session = self.on_device[path.stem] = on_device(path, options)
        return CountedSession(path.stem, session, self.traffic)
