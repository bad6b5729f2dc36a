"""The calls of ~/segment on their way to the inference thread: checked, then queued."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sensor_msgs.msg import Image

from sam3_ros.core.errors import PromptError
from sam3_ros.ros.cameras import CameraNameError
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.one_shot import OneShot, Respond
from sam3_ros.ros.frames.queue import FrameQueue
from sam3_ros.ros.frames.seen import FramesSeen
from sam3_ros.ros.prompts.one_shot import prompts_of_call
from sam3_ros.ros.prompts.rules import PromptRules
from sam3_ros.srv import Segment

NOT_ACTIVE = (
    "the node is not active: configure and activate it, as it does by itself with autostart:=true, "
    "then ask again"
)


@dataclass(frozen=True, eq=False)
class OneShotCalls:
    """Takes calls; for the executor's thread."""

    rules: PromptRules
    frames: FramesSeen
    queue: FrameQueue
    activity: Activity
    #: Returns the seconds since the camera's last image came, None before the first.
    silent_for: Callable[[str], float | None]
    #: Returns the seconds after which a camera counts as silent, 0 for never.
    silence: Callable[[], float]

    def put(self, request: Segment.Request, respond: Respond) -> None:
        """Queue a call, which is responded to later, once.

        Raises PromptError for one that cannot be answered; it has no response then.
        """
        if not self.activity.is_active:
            raise PromptError(NOT_ACTIVE)
        prompts = prompts_of_call(request.prompts, self.rules)
        image = None if _is_empty(request.image) else request.image
        camera = self._camera_with_an_image(request.camera) if image is None else ""
        warnings = self._warnings(camera) if image is None else ()
        self.queue.put_call(OneShot(prompts, image, camera, respond, warnings))

    def _camera_with_an_image(self, name: str) -> str:
        cameras = self.rules.cameras
        if not name and len(cameras) > 1:
            raise PromptError(
                "expected an image, or the camera whose newest image is meant, one of "
                f"{', '.join(cameras.names)}; got neither"
            )
        try:
            camera = cameras.find(name or cameras.names[0])
        except CameraNameError as error:
            raise PromptError(str(error)) from error
        if self.frames.locate(camera.name, 0) is None:
            raise PromptError(
                f"no image of {camera} has come since the node became active: see "
                "/diagnostics and `sam3-ros topic list`, or send an image with the call"
            )
        return camera.name

    def _warnings(self, camera: str) -> tuple[str, ...]:
        """Say so if the newest image is an old one."""
        silent, limit = self.silent_for(camera), self.silence()
        if silent is None or not 0 < limit < silent:
            return ()
        return (f"the image is old: none has come for {silent:.1f} s",)


def _is_empty(image: Image) -> bool:
    # One with a size and no data is a broken image, to be refused as such.
    return not (image.width or image.height or len(image.data))
