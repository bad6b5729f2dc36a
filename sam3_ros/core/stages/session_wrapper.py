"""A session that delegates to another: subclass it to observe or change single calls."""

from __future__ import annotations

from collections.abc import Mapping

from sam3_ros.core.stages.session import (
    Array,
    DeviceSession,
    DeviceTensor,
    Session,
    Tensor,
    TensorSpec,
)


class WrappedSession:
    """A session that delegates everything to `real`."""

    def __init__(self, real: Session) -> None:
        self._real = real

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        return self._real.inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        return self._real.outputs

    @property
    def provider(self) -> str:
        return self._real.provider

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return self._real.run(feeds)

    def close(self) -> None:
        self._real.close()


class WrappedOnDevice(WrappedSession):
    """The same for a DeviceSession."""

    def __init__(self, real: DeviceSession) -> None:
        super().__init__(real)
        self._on_device = real

    @property
    def device(self) -> str:
        return self._on_device.device

    def run_on_device(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self._on_device.run_on_device(feeds)

    def keep(self, name: str, array: Array) -> DeviceTensor:
        return self._on_device.keep(name, array)
