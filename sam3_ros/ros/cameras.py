"""The cameras that share one model, and the names of their topics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sam3_ros.core.errors import Sam3RosError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# They would be confused with topics of the node's own.
_RESERVED = frozenset({"prompt", "debug", "image"})


class CameraNameError(Sam3RosError, ValueError):
    """A camera's name that topics cannot carry, or that two cameras have."""


@dataclass(frozen=True)
class Camera:
    """name: empty for the only one, whose topics carry no name."""

    name: str = ""

    def __post_init__(self) -> None:
        if self.name and (not _NAME.fullmatch(self.name) or self.name in _RESERVED):
            raise CameraNameError(
                "a camera's name is letters, digits and underscores, begins with a letter and is "
                f"none of {', '.join(sorted(_RESERVED))}; got {self.name!r}"
            )

    @property
    def image_topic(self) -> str:
        """`image`, or `front/image`, to be resolved and remapped as any topic."""
        return f"{self.name}/image" if self.name else "image"

    def topic(self, suffix: str) -> str:
        """`~/mask`, or `~/front/mask`, of the suffix `mask`."""
        return f"~/{self.name}/{suffix}" if self.name else f"~/{suffix}"

    def __str__(self) -> str:
        return self.name or "the camera"


@dataclass(frozen=True)
class Cameras:
    """One camera or more; one alone may have no name."""

    cameras: tuple[Camera, ...]

    @classmethod
    def named(cls, names: Iterable[str]) -> Cameras:
        """Blank names count for nothing; without any there is one camera, without a name.

        Raises CameraNameError.
        """
        wanted = [name.strip() for name in names if name.strip()]
        if len(set(wanted)) < len(wanted):
            raise CameraNameError(f"expected names that differ, got {', '.join(wanted)}")
        return cls(tuple(Camera(name) for name in wanted) or (Camera(),))

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __len__(self) -> int:
        return len(self.cameras)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(camera.name for camera in self.cameras)

    def find(self, name: str) -> Camera:
        """Raises CameraNameError for a name that none has."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        known = ", ".join(self.names) if self.names != ("",) else "one without a name only"
        raise CameraNameError(f"there is no camera {name!r}; the parameter cameras has {known}")
