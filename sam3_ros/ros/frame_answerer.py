"""One frame's way: decode, ask the prompts in use, publish to whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from sensor_msgs.msg import CompressedImage

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.image_embedding import ImageEmbedding
from sam3_ros.core.segmenter import Segmenter
from sam3_ros.core.segments import Segment
from sam3_ros.ros.active_prompts import ActivePrompt, ActivePrompts, Snapshot
from sam3_ros.ros.activity import Activity
from sam3_ros.ros.compressed_image import decode_compressed
from sam3_ros.ros.frame_ledger import DropReason, FrameDroppedError
from sam3_ros.ros.frame_slot import CameraMessage, Frame
from sam3_ros.ros.image_conversion import ImageConverter
from sam3_ros.ros.outputs import Answer, Outputs
from sam3_ros.ros.parameters import NodeConfiguration
from sam3_ros.ros.pixel_rows import Pixels
from sam3_ros.ros.segment_messages import best_first


@dataclass(frozen=True, eq=False)
class FrameTools:
    """What answering a frame takes.

    configuration: what the parameters are now. refuse: tell the world that a prompt was refused
    at a frame, and why.
    """

    segmenter: Segmenter
    converter: ImageConverter
    prompts: ActivePrompts
    outputs: Outputs
    activity: Activity
    configuration: Callable[[], NodeConfiguration]
    refuse: Callable[[Frame, ActivePrompt, PromptError], None]


class FrameAnswerer:
    """Runs in the inference thread. image_size: of the last frame, None before the first."""

    def __init__(self, tools: FrameTools) -> None:
        self._tools = tools
        self.image_size: ImageSize | None = None

    def answer(self, frame: Frame) -> None:
        """Raises FrameDroppedError, ImageError for the image, and whatever the segmenter does."""
        tools = self._tools
        topics = tools.outputs.listened_to()
        if not topics:
            raise FrameDroppedError(DropReason.NOBODY_LISTENS)
        image_rgb = self._decoded(frame.message)
        asked = tools.prompts.snapshot("")
        answer = Answer(
            header=frame.header,
            image_rgb=image_rgb,
            segments=best_first(self._segments(frame, image_rgb, asked)),
            label_values={active.prompt.id: active.label_value for active in asked},
            mask_encoding=tools.configuration().mask_encoding,
        )
        messages = tools.outputs.messages(answer, topics)
        with tools.activity.publishing(frame.received):
            tools.outputs.publish(messages)
        tools.prompts.answered("", asked)

    def _decoded(self, message: CameraMessage) -> Pixels:
        if isinstance(message, CompressedImage):
            image_rgb = decode_compressed(message)
        else:
            image_rgb = self._tools.converter.to_rgb(message)
        self.image_size = ImageSize(*image_rgb.shape[:2])
        return image_rgb

    def _segments(self, frame: Frame, image_rgb: Pixels, asked: Snapshot) -> list[Segment]:
        if not asked:
            return []  # the image need not be encoded to answer with nothing
        embedding = self._tools.segmenter.encode_image(image_rgb)
        # One by one, so that a prompt that does not fit this image falls alone; what they share
        # is computed once all the same, by the embedding.
        answers = (self._answers_to(active, embedding, frame) for active in asked)
        return list(chain.from_iterable(answers))

    def _answers_to(
        self, active: ActivePrompt, embedding: ImageEmbedding, frame: Frame
    ) -> list[Segment]:
        threshold = self._tools.configuration().score_threshold or None
        try:
            return self._tools.segmenter.ask(embedding, [active.prompt], threshold)
        except PromptError as error:
            self._tools.prompts.remove(active)
            self._tools.refuse(frame, active, error)
            return []
