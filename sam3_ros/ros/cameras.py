"""The cameras that share one model, and the names of their topics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sam3_ros.core.errors import Sam3RosError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Names in the node's own topics.
_RESERVED = frozenset({"prompt", "debug", "image"})
#: Far more than one model can serve; each has a dozen topics.
MOST_CAMERAS = 64
# ROS takes no longer names of topics.
_LONGEST_NAME = 200


class CameraNameError(Sam3RosError, ValueError):
    """A camera's name that cannot be part of a topic, is unknown, or occurs twice."""


@dataclass(frozen=True)
class Camera:
    """A camera, and how its topics are called. Raises CameraNameError."""

    #: Empty for the only camera; its topics carry no name.
    name: str = ""

    def __post_init__(self) -> None:
        if self.name and (not _NAME.fullmatch(self.name) or self.name in _RESERVED):
            raise CameraNameError(
                "a camera's name is letters, digits and underscores, begins with a letter and is "
                f"none of {', '.join(sorted(_RESERVED))}; got {self.name!r}"
            )

    @property
    def image_topic(self) -> str:
        """`image`, or `front/image`, to be resolved and remapped like any topic."""
        return f"{self.name}/image" if self.name else "image"

    @property
    def depth_topic(self) -> str:
        """`depth`, or `front/depth`, to be resolved and remapped as image_topic is."""
        return f"{self.name}/depth" if self.name else "depth"

    @property
    def info_topic(self) -> str:
        """`camera_info`, or `front/camera_info`."""
        return f"{self.name}/camera_info" if self.name else "camera_info"

    def topic(self, suffix: str) -> str:
        """Return `~/mask`, or `~/front/mask`, for the suffix `mask`."""
        return f"~/{self.name}/{suffix}" if self.name else f"~/{suffix}"

    def __str__(self) -> str:
        return self.name or "the camera"


@dataclass(frozen=True)
class Cameras:
    """The cameras of a node: one without a name, or one or more with names."""

    cameras: tuple[Camera, ...]

    @classmethod
    def named(cls, names: Iterable[str]) -> Cameras:
        """Return the cameras of these names, or one without a name if all are blank.

        Raises CameraNameError.
        """
        wanted = [name.strip() for name in names if name.strip()]
        if len(wanted) > MOST_CAMERAS:
            raise CameraNameError(f"expected at most {MOST_CAMERAS} cameras, got {len(wanted)}")
        for name in wanted:
            if len(name) > _LONGEST_NAME:
                raise CameraNameError(
                    f"a camera's name has at most {_LONGEST_NAME} characters, got {len(name)}"
                )
        if len(set(wanted)) < len(wanted):
            raise CameraNameError(f"expected different names, got {', '.join(wanted)}")
        return cls(tuple(Camera(name) for name in wanted) or (Camera(),))

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __len__(self) -> int:
        return len(self.cameras)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(camera.name for camera in self.cameras)

    def find(self, name: str) -> Camera:
        """Return the camera of this name. Raises CameraNameError if there is none."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        known = ", ".join(self.names) if self.names != ("",) else "one without a name only"
        shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
        raise CameraNameError(f"there is no camera {shown!r}; the parameter cameras has {known}")
