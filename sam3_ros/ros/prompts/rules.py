"""What a prompt is held against before it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.checks import require_capability, require_inside
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.ros.cameras import Cameras
from sam3_ros.ros.parameters.parameters import NodeConfiguration
from sam3_ros.ros.prompts.placement import FramesSeen, PromptPlacement
from sam3_ros.ros.prompts.refusals import refusing
from sam3_ros.ros.prompts.requests import PromptRequest


@dataclass(frozen=True, eq=False)
class PromptRules:
    """The bundle, the cameras, the frames they have sent, and the parameters as they are now."""

    manifest: Manifest
    cameras: Cameras
    frames: FramesSeen
    configuration: Callable[[], NodeConfiguration]

    @property
    def placement(self) -> PromptPlacement:
        return PromptPlacement(self.cameras, self.frames)

    def click(self, prompt: InteractivePrompt, camera: str | None) -> PromptRequest:
        """A prompt of ~/prompt/point or ~/prompt/box, as the parameters have it."""
        now = self.configuration()
        frames = 0 if now.sticky_clicks else now.click_frames
        return PromptRequest(prompt, camera, sticky=now.sticky_clicks, frames=frames)

    def accepted(
        self, requests: Sequence[PromptRequest], stamp_ns: int = 0
    ) -> tuple[PromptRequest, ...]:
        """They, pinned to the frames they are answered on first.

        stamp_ns: of the frame they were placed on, 0 for the newest. Raises PromptRefusedError for
        the first that cannot be answered.
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
            placed = self.placement.placed(request, stamp_ns)
            self._require_inside(placed)
            return placed

    def _require_inside(self, request: PromptRequest) -> None:
        for name in self.cameras.names if request.camera is None else (request.camera,):
            size = self.frames.image_size(name, request.pins.get(name))
            if size is None:
                continue
            try:
                require_inside(request.prompt, size)
            except PromptError as error:
                if len(self.cameras) > 1:
                    raise PromptError(f"{error} of the camera {name!r}") from error
                raise
