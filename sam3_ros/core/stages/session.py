"""The seam to an inference engine: named arrays in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from sam3_ros.core.stages.shapes import ShapeProfile

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class TensorSpec:
    """Name, element type and shape of one tensor of a session.

    A dynamic dimension is its symbolic name as a str, or None where it has none.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        dimensions = ", ".join("?" if d is None else str(d) for d in self.shape)
        return f"{self.name}: {self.dtype}[{dimensions}]"


class Session(Protocol):
    """One loaded model file.

    Nothing about segmentation in it: it describes its tensors, runs, and closes. `provider` names
    the engine that really runs it, for example "CPUExecutionProvider".
    """

    @property
    def inputs(self) -> Mapping[str, TensorSpec]: ...

    @property
    def outputs(self) -> Mapping[str, TensorSpec]: ...

    @property
    def provider(self) -> str: ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Feed every input by its name in the file; return every output by its name."""
        ...

    def close(self) -> None:
        """Free the engine's memory. Closing twice is allowed, running afterwards is not."""
        ...


class DeviceTensor(Protocol):
    """A tensor that a session has left in its device's memory.

    device: such as "cuda:0". Only sessions on the same device read it there; `numpy` is for all
    others.
    """

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def nbytes(self) -> int: ...

    @property
    def device(self) -> str: ...

    def numpy(self) -> Array:
        """A copy in the host's memory."""
        ...


Tensor: TypeAlias = "Array | DeviceTensor"


@runtime_checkable
class DeviceSession(Session, Protocol):
    """A session that can take its inputs from a device's memory and leave its outputs there."""

    @property
    def device(self) -> str: ...

    def run_on_device(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`run`, with outputs that stay on the device, untouched by what runs later."""
        ...


def on_host(value: Tensor) -> Array:
    """The tensor as an array; one that is an array already comes back as it is."""
    return value if isinstance(value, np.ndarray) else value.numpy()


@dataclass(frozen=True)
class EngineFolder:
    """Where a backend keeps the engine that it builds of a model file, and finds it again.

    path: of this engine alone, because TensorRT's own names for its files leave the weights out
    (github.com/LeelaChessZero/lc0, pull request 2214). prefix: for those names. timings: what
    TensorRT measured of this device while it built, for the next one.
    """

    path: Path
    prefix: str
    timings: Path


@dataclass(frozen=True)
class SessionOptions:
    """How sessions may use the machine.

    threads: intra-op threads, None for the engine's own choice. spinning: let idle threads
    busy-wait for work, a little faster and a whole core dearer; off because a robot's other
    processes need that core. device_id: index of the accelerator. keep_memory: what a run worked
    in is kept for the next run of any session, which is faster for it. compute: "stored" as the
    file says, or a precision of its own to compute with, which a backend that has none refuses.
    file_precision: what the file is stored in, which TensorRT has to be told. cuda_graphs: record
    a stage's kernels once for each set of shapes and replay them in one launch, where a GPU can.
    shapes: the sizes to come, for an engine that is built for them.
    """

    threads: int | None = None
    spinning: bool = False
    device_id: int = 0
    keep_memory: bool = True
    engines: EngineFolder | None = None
    compute: str = "stored"
    file_precision: str = "fp32"
    cuda_graphs: bool = False
    shapes: ShapeProfile | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, or None to leave it, not {self.threads}")
        if self.device_id < 0:
            raise ValueError(f"device_id must be 0 or more, not {self.device_id}")


#: For a few runs of each of many stages: what they keep would together exceed the weights.
BRIEF_USE = SessionOptions(keep_memory=False)


class OpenSession(Protocol):
    """Makes a session of a model file: the point where a test or a new backend steps in."""

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session: ...
