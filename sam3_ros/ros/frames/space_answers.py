"""Answers in space: an answered frame and its depth, which may come later than the answer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sam3_ros.core.errors import Sam3RosError, SpaceError
from sam3_ros.core.space.smoothing import CentreSmoother
from sam3_ros.core.timings import Timings
from sam3_ros.ros.answers.messages import Answer
from sam3_ros.ros.answers.space import Smooth, SpaceAnswer
from sam3_ros.ros.answers.space_outputs import SpaceOutputs
from sam3_ros.ros.depth.ledger import DepthLedger, DepthRefusal, DepthRefusedError
from sam3_ros.ros.depth.pairs import DepthPairs
from sam3_ros.ros.depth.registered import is_named_rectified, registered
from sam3_ros.ros.depth.transforms import Transforms
from sam3_ros.ros.error_text import described
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.ledger import FrameDroppedError
from sam3_ros.ros.frames.memory import SeenFrame
from sam3_ros.ros.parameters.configuration import NodeConfiguration
from sam3_ros.ros.stamps import NANOSECONDS
from sam3_ros.ros.throttled_log import THROTTLED

# Answers of a camera that wait for their depth, each with its image and masks: a quarter of a
# second at 30 images a second.
_MOST_WAITING = 8


@dataclass(frozen=True, eq=False)
class CameraSpace:
    """What answering in space needs of one camera."""

    outputs: SpaceOutputs
    pairs: DepthPairs
    ledger: DepthLedger
    #: The topic of the images, with its full name.
    image_topic: str = ""


@dataclass(frozen=True, eq=False)
class _Waiting:
    """An answer whose depth has not come yet."""

    seen: SeenFrame
    answer: Answer
    #: Until when it waits, time.monotonic() s.
    until: float

    @property
    def stamp_ns(self) -> int:
        return self.seen.stamp_ns


class SpaceAnswers:
    """Publishes in space what has been answered; for the inference thread."""

    def __init__(
        self,
        cameras: Mapping[str, CameraSpace],
        transforms: Transforms | None,
        activity: Activity,
        configuration: Callable[[], NodeConfiguration],
        add_latencies: Callable[[Mapping[str, float]], None],
        logger: Any,
    ) -> None:
        """cameras: by name. transforms: None where no target_frame is set.

        configuration: returns the parameters as they are now. add_latencies: takes the seconds of
        the steps of an answer whose depth came later.
        """
        self._cameras = cameras
        self._transforms = transforms
        self._activity = activity
        self._configuration = configuration
        self._add_latencies = add_latencies
        self._logger = logger
        self._waiting: dict[str, deque[_Waiting]] = {name: deque() for name in cameras}
        self._smoothers: dict[str, CentreSmoother] = {}

    def take(self, seen: SeenFrame) -> bool:
        """Keep the depth of a frame that is answered now; False where nobody listens in space."""
        space = self._cameras[seen.camera]
        if not space.outputs.listened_to():
            return False
        space.pairs.take(seen.stamp_ns)
        return True

    def answer(self, seen: SeenFrame, answer: Answer) -> Mapping[str, float]:
        """Publish what the topics in space want of an answer, or keep it until its depth comes.

        Return the seconds of the steps.
        """
        camera = seen.camera
        self._resume_camera(camera)
        space = self._cameras[camera]
        waiting = _Waiting(seen, answer, time.monotonic() + self._configuration().depth_wait_s)
        if not space.outputs.listened_to():
            space.pairs.drop(waiting.stamp_ns)
            return {}
        if not waiting.stamp_ns:
            self._refuse(space, _no_stamp())
            return {}
        queue = self._waiting[camera]
        # One after another, so that what is smoothed and shown never goes back in time.
        steps = None if queue else self._try(camera, waiting)
        if steps is not None:
            return steps
        queue.append(waiting)
        if len(queue) > _MOST_WAITING:
            self._finish(camera, queue.popleft())
        return {}

    def resume(self) -> None:
        """Publish what has waited for its depth, and give up what has waited too long."""
        for camera in self._cameras:
            self._resume_camera(camera)

    def drop_waiting(self) -> None:
        """Forget what waits: the node is no longer active, or nobody listens."""
        for camera, queue in self._waiting.items():
            while queue:
                self._cameras[camera].pairs.drop(queue.popleft().stamp_ns)

    def _resume_camera(self, camera: str) -> None:
        queue = self._waiting[camera]
        while queue:
            is_over = time.monotonic() >= queue[0].until
            steps = self._finish(camera, queue[0]) if is_over else self._try(camera, queue[0])
            if steps is None:
                return
            queue.popleft()
            self._add_latencies(steps)

    def _finish(self, camera: str, waiting: _Waiting) -> Mapping[str, float]:
        return self._try(camera, waiting, may_wait=False) or {}

    def _try(
        self, camera: str, waiting: _Waiting, may_wait: bool = True
    ) -> Mapping[str, float] | None:
        """Publish an answer, or refuse it; return the seconds, None while its depth may come."""
        space, steps = self._cameras[camera], Timings()
        try:
            if not self._publish(camera, waiting, may_wait, steps):
                return None
        except FrameDroppedError:  # the node was deactivated meanwhile
            pass
        except DepthRefusedError as error:
            self._refuse(space, error)
        except SpaceError as error:
            self._refuse(space, DepthRefusedError(DepthRefusal.SIZES, str(error)))
        except Exception as error:  # the answer in the image is out, and the next one may succeed
            if not isinstance(error, Sam3RosError):
                self._logger.error(f"an answer in space failed: {described(error)}", **THROTTLED)
            self._refuse(space, DepthRefusedError(DepthRefusal.FAILED, described(error)))
        space.pairs.drop(waiting.stamp_ns)
        return steps.as_dict()

    def _publish(self, camera: str, waiting: _Waiting, may_wait: bool, steps: Timings) -> bool:
        """Return False while the depth may still come. Raises what _try catches."""
        space, answer, settings = self._cameras[camera], waiting.answer, self._configuration()
        topics = space.outputs.listened_to()
        if not topics:
            return True
        earlier = waiting.seen.depth
        pair = earlier or space.pairs.find(waiting.stamp_ns, may_wait)
        if pair is None:
            return False
        waiting.seen.depth = pair
        with steps.measure("depth"):
            found = registered(
                pair,
                answer.header,
                answer.size,
                settings.depth_rectified,
                settings.max_megapixels,
            )
        if any(found.camera.coefficients) and is_named_rectified(space.image_topic):
            space.ledger.warn_once(_not_rectified(space.image_topic))
        transform = None
        if self._transforms is not None:
            with steps.measure("transform"):
                transform = self._transforms.look_up(
                    settings.target_frame, answer.header, settings.target_frame_wait_s
                )
        # A click on an earlier image has it answered again: it is seen once, and not later.
        smooth = None if earlier else self._smooth(camera, waiting)
        in_space = SpaceAnswer(answer, found.depth, found.camera, transform, smooth, steps)
        made = space.outputs.messages(in_space, topics)
        with self._activity.publishing(answer.received), steps.measure("space publish"):
            space.outputs.publish(made)
        space.ledger.count_published()
        return True

    def _refuse(self, space: CameraSpace, error: DepthRefusedError) -> None:
        """Count it. Where all are refused, what is shown is no longer so."""
        if space.ledger.refuse(error):
            space.outputs.remove_markers()

    def _smooth(self, camera: str, waiting: _Waiting) -> Smooth | None:
        if not self._configuration().depth_smoothing:
            self._smoothers.pop(camera, None)
            return None
        smoother = self._smoothers.setdefault(camera, CentreSmoother())
        seconds = waiting.stamp_ns / NANOSECONDS
        return lambda objects: smoother.update(objects, seconds)


def _no_stamp() -> DepthRefusedError:
    return DepthRefusedError(
        DepthRefusal.NO_STAMP,
        "the image has no stamp, by which its depth is found: set it in the camera driver",
    )


def _not_rectified(topic: str) -> str:
    return (
        f"images from {topic} are rectified by its name, and their camera_info has a lens, which "
        "is taken out once more: set depth_rectified if they are rectified"
    )
