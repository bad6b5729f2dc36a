"""How a call of ~/segment is answered: as a frame is, but for its caller alone."""

from __future__ import annotations

from collections.abc import Callable

from sam3_ros.core.errors import ImageError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.segment_numbers import best_first
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.answers.segments import segments_message
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.memory import FrameMemory, SeenFrame
from sam3_ros.ros.frames.one_shot import OneShot
from sam3_ros.ros.stamps import nanoseconds
from sam3_ros.srv import Segment as SegmentService

# No camera can have this name (ros/cameras.py).
_OF_NO_CAMERA = "~/segment"


class OneShotAnswerer:
    """Answers calls; for the inference thread. The prompts in use, and their values, stay."""

    def __init__(
        self,
        segmenter: Segmenter,
        memory: FrameMemory,
        activity: Activity,
        threshold: Callable[[], float | None],
        encode: Callable[[SeenFrame], ImageEmbedding],
    ) -> None:
        """threshold: returns the score threshold as it is now, None for the bundle's own.

        encode: returns a frame's embedding, which the frame keeps.
        """
        self._segmenter = segmenter
        self._memory = memory
        self._activity = activity
        self._threshold = threshold
        self._encode = encode

    def answer(self, call: OneShot) -> None:
        """Respond to the call.

        Raises ImageError, PromptError for the first prompt that does not fit the image,
        FrameDroppedError if the node was inactive since, and what the segmenter raises.
        """
        seen = self._image_of(call)
        try:
            embedding = self._encode(seen)
            for prompt in call.prompts:
                self._segmenter.check(embedding, prompt)
            found = self._segmenter.ask(embedding, call.prompts, self._threshold())
        except ImageError:
            self._memory.forget(seen)
            raise
        finally:
            self._memory.trim(seen)
        warnings = self._warnings(call, embedding.size)
        response = _response(call, warnings, seen, best_first(found))
        with self._activity.publishing(call.received):
            call.respond(response)

    def _warnings(self, call: OneShot, size: ImageSize) -> list[str]:
        on_prompts = (
            warning for prompt in call.prompts for warning in self._segmenter.warnings(prompt, size)
        )
        return list(dict.fromkeys((*call.warnings, *on_prompts)))

    def _image_of(self, call: OneShot) -> SeenFrame:
        if call.image is not None:
            header = call.image.header
            return SeenFrame(_OF_NO_CAMERA, header, nanoseconds(header.stamp), call.image)
        seen = self._memory.newest(call.camera)
        if seen is None:
            raise ImageError(
                "the newest image cannot be read: the log and /diagnostics say why; ask again "
                "once another has come"
            )
        return seen


def _response(
    call: OneShot, warnings: list[str], seen: SeenFrame, found: list[Segment]
) -> SegmentService.Response:
    assert seen.size is not None, "the segmenter has answered it"
    values = {prompt.id: value for value, prompt in enumerate(call.prompts, start=1)}
    return SegmentService.Response(
        success=True,
        warnings=warnings,
        segments=segments_message(found, values, seen.size, seen.header),
    )
