"""An answer as the messages that tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import Image

from sam3_ros.core.pictures.overlay import draw_overlay_bgr
from sam3_ros.msg import Segments, SegmentScores
from sam3_ros.ros.answers.answer import Answer
from sam3_ros.ros.answers.detections import detections_maker
from sam3_ros.ros.answers.segments import scores_message, segments_message
from sam3_ros.ros.images.messages import image_message


@dataclass(frozen=True)
class AnswerMessage:
    """A kind of message, and how an answer becomes one."""

    message_class: type[Any]
    make: Callable[[Answer], Any]


def mask_message(answer: Answer) -> Image:
    if answer.mask_encoding == "mono16":
        return image_message(answer.painted.instances(), "mono16", answer.header)
    return image_message(answer.painted.labels(answer.label_values), "mono8", answer.header)


def confidence_message(answer: Answer) -> Image:
    return image_message(answer.painted.confidences(), "mono8", answer.header)


def overlay_message(answer: Answer) -> Image:
    overlay = draw_overlay_bgr(answer.image_rgb, answer.segments)
    return image_message(overlay, "bgr8", answer.header)


def _scores(answer: Answer) -> SegmentScores:
    return scores_message(answer.segments, answer.label_values, answer.header)


def _segments(answer: Answer) -> Segments:
    return segments_message(answer.segments, answer.label_values, answer.size, answer.header)


def answer_messages(detections_class: type[Any] | None) -> dict[str, AnswerMessage]:
    """By output, in the order of publishing; those that robots steer by come first.

    detections_class: vision_msgs/Detection2DArray, None where it is not installed.
    """
    messages = {
        "mask": AnswerMessage(Image, mask_message),
        "confidence": AnswerMessage(Image, confidence_message),
        "scores": AnswerMessage(SegmentScores, _scores),
        "segments": AnswerMessage(Segments, _segments),
    }
    if detections_class is not None:
        make = detections_maker(detections_class)
        messages["detections"] = AnswerMessage(detections_class, make)
    return {**messages, "overlay": AnswerMessage(Image, overlay_message)}
