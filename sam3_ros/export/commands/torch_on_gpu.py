"""PyTorch's stages on a GPU: in half precision by autocast, replayed from CUDA graphs, timed there.

What one stage computes stays on the GPU for the next. Nothing is copied but the inputs of a graph,
which reads fixed addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

import numpy as np
import torch

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.session import Array, Tensor, on_host
from sam3_ros.export.network import Network
from sam3_ros.export.stage import StageModule
from sam3_ros.export.verification.torch_graph import TorchSession, stage_specs

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class TorchMode:
    """How PyTorch runs the model; can be pickled for another process."""

    #: "fp32", "tf32" or "fp16".
    precision: str = "fp32"
    on_gpu: bool = False
    #: Replay each stage from a CUDA graph.
    cuda_graphs: bool = False

    def __str__(self) -> str:
        if not self.on_gpu:
            return "fp32 on the CPU"
        how = {"fp16": "fp16 by autocast", "tf32": "fp32 with TF32"}.get(self.precision, "fp32")
        graphs = "each stage replayed from a CUDA graph" if self.cuda_graphs else "no CUDA graphs"
        return f"{how} on the GPU, {graphs}"


class TorchDevice(Protocol):
    """What the sessions need of a device."""

    name: str

    def autocast(self, enabled: bool) -> AbstractContextManager[Any]:
        """Compute in half precision within the block, where PyTorch holds that to be safe."""
        ...

    def record(self) -> Any:
        """Return an event at the end of all work given so far."""
        ...

    def milliseconds_between(self, first: Any, second: Any) -> float:
        """Wait for both events; return the time on the device between them."""
        ...

    def captured(self, run: Callable[[], Tensors]) -> tuple[Callable[[], object], Tensors]:
        """Return what replays a run, and the tensors that each replay writes anew."""
        ...


class CudaDevice:
    """The current NVIDIA GPU."""

    name = "cuda"

    def __init__(self, precision: str) -> None:
        """Let PyTorch choose its convolutions by measuring, as ONNX Runtime does."""
        torch.backends.cudnn.benchmark = True
        allows_tf32 = precision != "fp32"
        torch.backends.cuda.matmul.allow_tf32 = allows_tf32
        torch.backends.cudnn.allow_tf32 = allows_tf32

    def autocast(self, enabled: bool) -> AbstractContextManager[Any]:
        return torch.autocast("cuda", torch.float16, enabled=enabled)

    def record(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds_between(self, first: Any, second: Any) -> float:
        second.synchronize()
        return float(first.elapsed_time(second))

    def captured(self, run: Callable[[], Tensors]) -> tuple[Callable[[], object], Tensors]:
        # As in "CUDA Graphs" of PyTorch's documentation: warm up on another stream, then capture.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = run()
        return graph.replay, outputs


class TorchTensor:
    """A DeviceTensor of PyTorch; told to be f32 in any precision, as the next stage takes any."""

    def __init__(self, tensor: torch.Tensor, device: str) -> None:
        self.tensor = tensor
        self.device = device

    @property
    def dtype(self) -> np.dtype[Any]:
        if self.tensor.is_floating_point():
            return np.dtype(np.float32)
        return np.dtype(str(self.tensor.dtype).removeprefix("torch."))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def nbytes(self) -> int:
        return self.tensor.nbytes

    def numpy(self) -> Array:
        tensor = self.tensor.float() if self.tensor.is_floating_point() else self.tensor
        array: Array = tensor.cpu().numpy()
        return array

    def block(self, row: int, count: int | None = None) -> TorchTensor:
        return TorchTensor(self.tensor[row : row + 1, :count], self.device)


class TorchDeviceSession(TorchSession):
    """One stage, run by PyTorch on a device."""

    provider = "PyTorch on a GPU"

    def __init__(self, name: str, stage: StageModule, device: TorchDevice, mode: TorchMode) -> None:
        """stage: with its weights on the device."""
        super().__init__(stage)
        self.device = f"torch {device.name}"
        self._name = name
        self._on = device
        self._mode = mode
        self._graphs: dict[tuple[torch.Size, ...], _Replayed] = {}
        self._events: list[tuple[Any, Any]] = []

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return {name: on_host(value) for name, value in self.run_on_device(feeds).items()}

    def run_on_device(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once. Raises InferenceError for a stage that cannot be captured as a graph."""
        inputs = [self._fed(feeds[name]) for name in self.inputs]
        run = self._replayed(inputs) if self._mode.cuda_graphs else lambda: self._compute(inputs)
        begin = self._on.record()
        outputs = run()
        self._events.append((begin, self._on.record()))
        return {
            name: TorchTensor(tensor, self.device)
            for name, tensor in zip(self.outputs, outputs, strict=True)
        }

    def take_milliseconds(self) -> float | None:
        """Return the time on the device of the runs since the last call; None for none."""
        events, self._events = self._events, []
        if not events:
            return None
        return sum(self._on.milliseconds_between(*each) for each in events)

    def _fed(self, value: Tensor) -> torch.Tensor:
        if isinstance(value, TorchTensor):
            # Not every operator takes two precisions, and autocast halves what it holds to be safe.
            return value.tensor.float() if value.tensor.is_floating_point() else value.tensor
        return torch.from_numpy(np.array(on_host(value))).to(self._on.name)

    def _compute(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        with torch.inference_mode(), self._on.autocast(self._mode.precision == "fp16"):
            return tuple(self._stage(*inputs))

    def _replayed(self, inputs: Sequence[torch.Tensor]) -> Callable[[], Tensors]:
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self._graphs:
            try:
                self._graphs[shapes] = _Replayed(self._on, self._compute, inputs)
            except RuntimeError as error:
                raise InferenceError(
                    f"PyTorch cannot capture stage {self._name!r} as a CUDA graph: {error}",
                    self._name,
                ) from error
        graph = self._graphs[shapes]
        graph.feed(inputs)
        return graph.run


class _Replayed:
    """A graph of one stage for one set of shapes, with the buffers that it reads."""

    def __init__(
        self,
        device: TorchDevice,
        compute: Callable[[Sequence[torch.Tensor]], Tensors],
        inputs: Sequence[torch.Tensor],
    ) -> None:
        with torch.inference_mode():
            self._buffers = [tensor.clone() for tensor in inputs]
        self._replay, self._outputs = device.captured(lambda: compute(self._buffers))

    def feed(self, inputs: Sequence[torch.Tensor]) -> None:
        with torch.inference_mode():
            for buffer, tensor in zip(self._buffers, inputs, strict=True):
                buffer.copy_(tensor)

    def run(self) -> Tensors:
        self._replay()
        return self._outputs


class StageTimes:
    """The stages of a network on a device, and the times that each took in the answers so far."""

    def __init__(self, network: Network, device: TorchDevice, mode: TorchMode) -> None:
        """Move the network to the device."""
        network.eval().to(device.name)
        self._stages = network.stages()
        self._device, self._mode = device, mode
        self._sessions: dict[str, TorchDeviceSession] = {}
        self._milliseconds: dict[str, list[float]] = {}
        self.graph = StageGraph(stage_specs(self._stages), self._open)

    def forget_last_answer(self) -> None:
        """Drop the times of what ran since the last call of `keep_last_answer`, or of this."""
        for session in self._sessions.values():
            session.take_milliseconds()

    def keep_last_answer(self) -> None:
        """Keep the times of what ran since then."""
        for name, session in self._sessions.items():
            spent = session.take_milliseconds()
            if spent is not None:
                self._milliseconds.setdefault(name, []).append(spent)

    def medians(self) -> dict[str, float]:
        """Return the median ms of each stage that has a time."""
        return {name: round(median(each), 3) for name, each in self._milliseconds.items()}

    def _open(self, stage: StageSpec) -> TorchDeviceSession:
        name = stage.name
        session = TorchDeviceSession(name, self._stages[name], self._device, self._mode)
        self._sessions[name] = session
        return session
