"""Which frame a click means: by its stamp, its frame_id, or simply the newest."""

from __future__ import annotations

from collections.abc import Mapping

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.ros.cameras import Cameras
from sam3_ros.ros.frames.memory import FrameMemory
from sam3_ros.ros.frames.queue import FrameQueue
from sam3_ros.ros.prompts.active import ActivePrompts, Snapshot
from sam3_ros.ros.stamps import seconds_text


class FramesSeen:
    """What the prompt topics may know of the frames; for any thread."""

    def __init__(
        self,
        cameras: Cameras,
        memory: FrameMemory,
        queue: FrameQueue,
        prompts: ActivePrompts,
        image_sizes: Mapping[str, ImageSize],
    ) -> None:
        """image_sizes: by camera, of the last image that was decoded."""
        self._cameras = cameras
        self._memory = memory
        self._queue = queue
        self._prompts = prompts
        self._image_sizes = image_sizes
        self._frame_ids: dict[str, str] = {}

    def image_size(self, camera: str, stamp_ns: int | None = None) -> ImageSize | None:
        """Return the size of its last image, or of the one with the stamp; None while not known."""
        if stamp_ns is None:
            return self._image_sizes.get(camera)
        seen = self._memory.find(camera, stamp_ns)
        return seen.size if seen is not None else None

    def note(self, camera: str, frame_id: str) -> None:
        """Remember the frame_id of the camera's last image."""
        self._frame_ids[camera] = frame_id

    def locate(self, camera: str, stamp_ns: int) -> int | None:
        """Return the stamp of the frame that is meant, seen already or on its way.

        stamp_ns 0: of the newest, None if there is none yet. Raises PromptError for a stamp that is
        not kept.
        """
        # In this order, because a frame goes from the queue to the memory.
        on_the_way = self._queue.stamps(camera)
        kept = self._memory.stamps(camera)
        if stamp_ns == 0:
            return next(iter([*kept[-1:], *on_the_way[-1:]]), None)
        if stamp_ns in kept or stamp_ns in on_the_way:
            return stamp_ns
        raise PromptError(_not_kept(stamp_ns, kept or on_the_way))

    def camera_of(self, frame_id: str, stamp_ns: int) -> str:
        """Return the camera of an image with this header. Raises PromptError if it is not clear."""
        names = self._cameras.names
        if len(names) == 1 or frame_id in names:
            return frame_id if frame_id in names else names[0]
        for found in (
            [name for name in names if frame_id and self._frame_ids.get(name) == frame_id],
            [name for name in names if stamp_ns and self._has(name, stamp_ns)],
        ):
            if len(found) == 1:
                return found[0]
        raise PromptError(
            f"expected a frame_id or a stamp that tells which camera is meant, got {frame_id!r} "
            f"and {seconds_text(stamp_ns)}: send it to a camera's own topic, such as "
            f"{self._cameras.cameras[0].topic('prompt/point')}"
        )

    def require_room(self, jobs: int) -> None:
        """Raise PromptError if this many calls of answer_now would be too many."""
        self._queue.require_room(jobs)

    def answer_now(self, clicks: Snapshot, camera: str, stamp_ns: int) -> None:
        """Have prompts answered on the frame that they are pinned to, before other frames.

        Raises PromptError if too many wait.
        """
        # A frame in work may have answered some in the meantime: those are no longer pinned.
        waiting = tuple(c for c in clicks if self._prompts.pinned_ns(c, camera) == stamp_ns)
        if waiting:
            self._queue.put_clicks(waiting, camera, stamp_ns)

    def _has(self, camera: str, stamp_ns: int) -> bool:
        return stamp_ns in self._queue.stamps(camera) or stamp_ns in self._memory.stamps(camera)


def not_kept_any_more(stamp_ns: int) -> str:
    """Say why a click that was accepted could not be answered on its frame."""
    return (
        f"the image of {seconds_text(stamp_ns)} is no longer kept: leave the stamp 0 to mean the "
        "newest, or raise the parameters frame_memory and frame_memory_mb"
    )


def _not_kept(stamp_ns: int, known: list[int]) -> str:
    asked = seconds_text(stamp_ns)
    if not known:
        return f"no image was seen yet, so none of {asked}: leave the stamp 0 to mean the next one"
    oldest, latest = seconds_text(min(known)), seconds_text(max(known))
    if stamp_ns < min(known):
        return (
            f"the image of {asked} is too old, the oldest one kept is of {oldest}: "
            "leave the stamp 0 to mean the newest, or raise the parameters frame_memory and "
            "frame_memory_mb"
        )
    # A frame that was dropped for a newer one is not known either.
    return (
        f"an image of {asked} was never seen here; those kept are of {oldest} to {latest}: "
        "copy the stamp of an answer, or leave it 0 to mean the newest"
    )
