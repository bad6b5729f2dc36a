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
    """One tensor of a session."""

    name: str
    #: Element type.
    dtype: np.dtype[Any]
    #: A dynamic dimension is its symbolic name as a str, or None where it has none.
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        dimensions = ", ".join("?" if d is None else str(d) for d in self.shape)
        return f"{self.name}: {self.dtype}[{dimensions}]"


class Session(Protocol):
    """One loaded model file: it describes its tensors, runs, and closes.

    Nothing about it is specific to segmentation.
    """

    @property
    def inputs(self) -> Mapping[str, TensorSpec]: ...

    @property
    def outputs(self) -> Mapping[str, TensorSpec]: ...

    @property
    def provider(self) -> str:
        """The engine that really runs it, for example "CPUExecutionProvider"."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Feed every input by its name in the file; return every output by its name."""
        ...

    def close(self) -> None:
        """Free the engine's memory. Closing twice is allowed, running afterwards is not."""
        ...


class DeviceTensor(Protocol):
    """A tensor that a session has left in its device's memory."""

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def nbytes(self) -> int: ...

    @property
    def device(self) -> str:
        """Such as "cuda:0". Sessions on the same device read it there, all others by `numpy`."""
        ...

    def numpy(self) -> Array:
        """Return a copy in the host's memory."""
        ...

    def block(self, row: int, count: int | None = None) -> Tensor:
        """Return a copy of [row : row + 1, :count], left on the device where that can be done."""
        ...


Tensor: TypeAlias = "Array | DeviceTensor"


@runtime_checkable
class DeviceSession(Session, Protocol):
    """A session that can take its inputs from a device's memory and leave its outputs there."""

    @property
    def device(self) -> str: ...

    def run_on_device(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run like `run`, with outputs that stay on the device; later runs do not change them."""
        ...

    def keep(self, name: str, array: Array) -> DeviceTensor:
        """Copy an array to the device, in the type of the input of this name, for many runs."""
        ...


def on_host(value: Tensor) -> Array:
    """Return the tensor as an array; an array is returned as it is."""
    return value if isinstance(value, np.ndarray) else value.numpy()


def block(tensor: Tensor, row: int, count: int | None = None) -> Tensor:
    """Return tensor[row : row + 1, :count], a view of an array, a copy on a device."""
    if isinstance(tensor, np.ndarray):
        return tensor[row : row + 1, :count]
    return tensor.block(row, count)


@dataclass(frozen=True)
class EngineFolder:
    """Where a backend keeps the engine that it builds of a model file, and finds it again."""

    #: For this engine alone: TensorRT names its files without regard to the weights
    #: (github.com/LeelaChessZero/lc0, pull request 2214).
    path: Path
    #: Of the names of TensorRT's files.
    prefix: str
    #: Folder of what TensorRT measured of this device while it built, for the next engine.
    timings: Path


@dataclass(frozen=True)
class SessionOptions:
    """How a session may use the machine. Raises ValueError for threads or a device below range."""

    #: Intra-op threads; None for the engine's own choice.
    threads: int | None = None
    #: Index of the accelerator.
    device_id: int = 0
    #: Keep the working memory of a run for the next run of any session, which is faster.
    keep_memory: bool = True
    #: Where to keep the engine that is built of the file, for backends that build one; None to
    #: build it anew each time.
    engines: EngineFolder | None = None
    #: "stored" to compute in the file's precision, or a precision to compute in instead; a backend
    #: that cannot compute in it refuses with PrecisionError.
    compute: str = "stored"
    #: The precision of the file, which TensorRT has to be told.
    file_precision: str = "fp32"
    #: Record a stage's kernels once for each set of shapes and replay them in one launch, where a
    #: GPU can.
    cuda_graphs: bool = False
    #: The sizes to come, for an engine that is built for a range of them; None if unknown.
    shapes: ShapeProfile | None = None
    #: Address of the CUDA stream that sessions share; None for a stream of its own.
    stream: int | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, or None to leave it, not {self.threads}")
        if self.device_id < 0:
            raise ValueError(f"device_id must be 0 or more, not {self.device_id}")


#: For a few runs of each of many stages, whose working memory together would exceed the weights.
BRIEF_USE = SessionOptions(keep_memory=False)


class OpenSession(Protocol):
    """Makes a session of a model file: the point where a test or a new backend steps in."""

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session: ...
