"""Which camera's frame a prompt with a position in the image was placed on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.ros.cameras import Cameras
from sam3_ros.ros.prompts.active import Snapshot
from sam3_ros.ros.prompts.requests import PromptRequest, Source


class FramesSeen(Protocol):
    """The frames that a click can be answered on at once. Stamps in ns."""

    def image_size(self, camera: str, stamp_ns: int | None = None) -> ImageSize | None:
        """Of the camera's newest frame, or that of the stamp; None while it is not known."""

    def locate(self, camera: str, stamp_ns: int) -> int | None:
        """The stamp of the frame meant, seen or on its way; 0 means the newest seen.

        None if there is no frame yet (for 0 only). Raises PromptError: too old, or never seen.
        """

    def camera_of(self, frame_id: str, stamp_ns: int) -> str:
        """The camera of that name, or whose last frame has this frame_id, or alone that stamp.

        Raises PromptError if that is none, or not one alone.
        """

    def require_room(self, jobs: int) -> None:
        """Raise PromptError if so many calls of answer_now would be too many."""

    def answer_now(self, clicks: Snapshot, camera: str, stamp_ns: int) -> None:
        """Answer these on that frame, all in one answer, unless it answers them by itself.

        They are asked already, pinned to it. One that cannot be answered is removed and refused;
        one whose label value is no longer its own (ActivePrompts.has_value) is left out. Raises
        PromptError if too many wait.
        """


@dataclass(frozen=True, eq=False)
class PromptPlacement:
    """What a position in an image refers to, among these cameras and their frames."""

    cameras: Cameras
    frames: FramesSeen

    def camera_of_point(self, frame_id: str, stamp_ns: int) -> str | None:
        """Of a click on ~/prompt/point; None where there is one camera. Raises PromptError."""
        return self.frames.camera_of(frame_id, stamp_ns) if len(self.cameras) > 1 else None

    def require_one_camera_for_a_box(self) -> None:
        """Raise PromptError if a box on ~/prompt/box could be of several cameras."""
        if len(self.cameras) > 1:
            first = self.cameras.names[0]
            raise PromptError(
                f"expected a box of one of the cameras {', '.join(self.cameras.names)}, got one "
                "without a header, which could tell: send it to a camera's own topic, such as "
                f"{Source.BOX.topic(first)}"
            )

    def placed(self, request: PromptRequest, stamp_ns: int) -> PromptRequest:
        """The request with its pins; with a stamp it is asked of that frame's camera alone.

        stamp_ns: of the frame that its points and boxes were placed on, 0 for the newest of each
        of its cameras. Raises PromptError.
        """
        if not request.has_position:
            return request
        names = self.cameras.names if request.camera is None else (request.camera,)
        if stamp_ns == 0:
            found = {name: self.frames.locate(name, 0) for name in names}
            pins = {name: stamp for name, stamp in found.items() if stamp is not None}
            return replace(request, pins=pins)
        name = self._camera_with(stamp_ns, names)
        camera = name if len(names) > 1 else request.camera
        return replace(request, camera=camera, pins={name: stamp_ns})

    def _camera_with(self, stamp_ns: int, names: tuple[str, ...]) -> str:
        why_not = {name: self._why_not(name, stamp_ns) for name in names}
        found = [name for name, reason in why_not.items() if not reason]
        if not found:
            several = len(names) > 1
            told = (f"{name}: {why}" if several else why for name, why in why_not.items())
            raise PromptError("; ".join(told))
        if len(found) > 1:
            raise PromptError(
                "expected the stamp of an image of one camera, got one that images of "
                f"{' and '.join(found)} have: name the camera too"
            )
        return found[0]

    def _why_not(self, camera: str, stamp_ns: int) -> str:
        """Why the camera's frame of this stamp cannot be asked; empty if it can."""
        try:
            self.frames.locate(camera, stamp_ns)
        except PromptError as error:
            return str(error)
        return ""
