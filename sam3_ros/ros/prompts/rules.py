"""The checks that a prompt passes, and the frame it belongs to, before it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.checks import require_capability
from sam3_ros.core.segmenter.positions import require_on_image
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.ros.cameras import CameraNameError, Cameras
from sam3_ros.ros.prompts.active import Snapshot
from sam3_ros.ros.prompts.remarks import WarningsOn
from sam3_ros.ros.prompts.requests import PromptRequest, Source, TopicSettings, refusing


class ClickableFrames(Protocol):
    """The frames that can answer a click at once. Stamps in ns."""

    def image_size(self, camera: str, stamp_ns: int | None = None) -> ImageSize | None:
        """Return the size of the camera's newest frame, or of the one with the stamp.

        None while it is not known.
        """

    def locate(self, camera: str, stamp_ns: int) -> int | None:
        """Return the stamp of the frame that is meant, seen or on its way; 0 means the newest.

        None if there is no frame yet (for 0 only). Raises PromptError: too old, or never seen.
        """

    def camera_of(self, frame_id: str, stamp_ns: int) -> str:
        """Return the camera with this name or frame_id, or else the only one with this stamp.

        Raises PromptError if that is none, or several.
        """

    def require_room(self, jobs: int) -> None:
        """Raise PromptError if this many calls of answer_now would be too many."""

    def answer_now(self, clicks: Snapshot, camera: str, stamp_ns: int) -> None:
        """Answer these on the frame that they are pinned to, in one answer.

        They are in use already. Nothing is done for those that the frame answers by itself. One
        that cannot be answered is removed and refused. Skip prompts whose label value has been
        reassigned (ActivePrompts.has_value). Raises PromptError if too many wait.
        """


@dataclass(frozen=True, eq=False)
class PromptRules:
    """What prompts are checked against."""

    manifest: Manifest
    cameras: Cameras
    frames: ClickableFrames
    #: Returns the settings as they are now.
    topic_settings: Callable[[], TopicSettings]
    #: Returns what to know about a prompt that is asked.
    warnings_on: WarningsOn

    def text(self, prompt: ConceptPrompt, camera: str | None) -> PromptRequest:
        """Return the request for a prompt of ~/prompt/text."""
        return PromptRequest(prompt, camera, tracking=self.topic_settings().tracking)

    def click(self, prompt: InteractivePrompt, camera: str | None) -> PromptRequest:
        """Return the request for a prompt of ~/prompt/point or ~/prompt/box."""
        now = self.topic_settings()
        seconds = 0.0 if now.tracking else now.seconds
        return PromptRequest(prompt, camera, tracking=now.tracking, seconds=seconds)

    def camera_of_point(self, frame_id: str, stamp_ns: int) -> str | None:
        """Return the camera of a click on ~/prompt/point; None where there is only one.

        Raises PromptError.
        """
        return self.frames.camera_of(frame_id, stamp_ns) if len(self.cameras) > 1 else None

    def require_one_camera_for_a_box(self) -> None:
        """Raise PromptError if a box on ~/prompt/box could belong to several cameras."""
        if len(self.cameras) > 1:
            first = self.cameras.names[0]
            raise PromptError(
                f"expected a box of one of the cameras {', '.join(self.cameras.names)}, got one "
                "without a header that names it: send it to a camera's own topic, such as "
                f"{Source.BOX.topic(first)}"
            )

    def require_camera(self, request: PromptRequest) -> None:
        """Raise PromptRefusedError if the request names a camera that does not exist."""
        if request.camera is not None:
            with refusing(request.prompt.id, request.camera):
                try:
                    self.cameras.find(request.camera)
                except CameraNameError as error:
                    raise PromptError(str(error)) from error

    def accepted(
        self, requests: Sequence[PromptRequest], stamp_ns: int = 0
    ) -> tuple[PromptRequest, ...]:
        """Return the requests, each pinned to the frames that answer it first.

        A position with a stamp is asked only of the camera whose frame has that stamp, 0 means
        the newest frame of each of its cameras. Raises PromptRefusedError for the first request
        that cannot be answered.
        """
        placed = tuple(self._accepted(request, stamp_ns) for request in requests)
        jobs = {(name, stamp) for request in placed for name, stamp in request.pins.items()}
        if jobs:
            first = next(request for request in placed if request.pins)
            with refusing(first.prompt.id, first.camera or ""):
                self.frames.require_room(len(jobs))
        return placed

    def _accepted(self, request: PromptRequest, stamp_ns: int) -> PromptRequest:
        with refusing(request.prompt.id, request.camera or ""):
            require_capability(request.prompt, self.manifest)
            placed = self._pinned(request, stamp_ns)
            self._require_inside(placed)
            return placed

    def _pinned(self, request: PromptRequest, stamp_ns: int) -> PromptRequest:
        if not request.has_position:
            return request
        names = self._cameras_of(request)
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
            reasons = (f"{name}: {why}" if several else why for name, why in why_not.items())
            raise PromptError("; ".join(reasons))
        if len(found) > 1:
            raise PromptError(
                "expected the stamp of an image of one camera, got one that images of "
                f"{' and '.join(found)} have: name the camera too"
            )
        return found[0]

    def _why_not(self, camera: str, stamp_ns: int) -> str:
        """Return why the camera's frame of this stamp cannot be asked; empty if it can."""
        try:
            self.frames.locate(camera, stamp_ns)
        except PromptError as error:
            return str(error)
        return ""

    def _require_inside(self, request: PromptRequest) -> None:
        for name in self._cameras_of(request):
            size = self.frames.image_size(name, request.pins.get(name))
            if size is None:
                continue
            try:
                require_on_image(request.prompt, size)
            except PromptError as error:
                if len(self.cameras) > 1:
                    raise PromptError(f"{error} of the camera {name!r}") from error
                raise

    def _cameras_of(self, request: PromptRequest) -> tuple[str, ...]:
        return self.cameras.names if request.camera is None else (request.camera,)
