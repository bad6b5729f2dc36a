"""What is known of an answered frame, and the messages that publish it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.label_image import Labels, PaintedSegments
from sam3_ros.core.pictures.overlay import draw_overlay_bgr
from sam3_ros.core.pictures.segment_numbers import pixel_values
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.tracking.events import TrackEvent
from sam3_ros.msg import FrameTiming, Segments, SegmentScores, StageTime, TrackEvents
from sam3_ros.ros.answers.compressed import jpeg_message, png_message
from sam3_ros.ros.answers.segments import scores_message, segments_message
from sam3_ros.ros.answers.tracks import events_message
from sam3_ros.ros.answers.vision_msgs import detections_maker
from sam3_ros.ros.images.messages import Pixels, image_message

# What image_transport adds to a topic's name; the output is wanted where the raw one is.
COMPRESSED = "/compressed"
TRACKS = "tracks"


@dataclass(frozen=True, eq=False)
class Answer:
    """An answered frame."""

    header: Header
    image_rgb: Pixels
    #: Best first; those that are not seen last.
    segments: Sequence[Segment]
    #: Prompt id to value.
    label_values: Mapping[str, int]
    #: mono8 or mono16.
    mask_encoding: str
    #: When the frame, or the click on it, was received; time.monotonic() seconds.
    received: float = field(default_factory=time.monotonic)
    #: Seconds from then until the work on it began.
    waited: float = 0.0
    #: Seconds of each step of that work.
    stages: Mapping[str, float] = field(default_factory=dict)
    #: Whether a prompt of the image is tracked.
    some_are_tracked: bool = False
    #: What became of tracked objects since the answer before.
    events: Sequence[TrackEvent] = ()

    @property
    def size(self) -> ImageSize:
        return ImageSize(*self.image_rgb.shape[:2])

    @cached_property
    def numbers(self) -> list[int]:
        """The number of each segment, which all topics give it."""
        return pixel_values(self.segments, self.some_are_tracked)

    @cached_property
    def painted(self) -> PaintedSegments:
        """The segments, painted once for mask and confidence. Raises ValueError."""
        return PaintedSegments(self.segments, self.size)

    @cached_property
    def mask(self) -> Labels:
        """The label image in mask_encoding, [H, W]. Raises ValueError."""
        if self.mask_encoding == "mono16":
            return self.painted.instances(self.numbers)
        return self.painted.labels(self.label_values)

    @cached_property
    def overlay_bgr(self) -> Pixels:
        """The image with the segments drawn on it, uint8 [H, W, 3]."""
        return draw_overlay_bgr(self.image_rgb, self.segments, self.label_values)


@dataclass(frozen=True)
class OutputMessage:
    """The class of an output's messages, and the function that makes one of an answer."""

    message_class: type[Any]
    make: Callable[[Answer], Any]


def output_messages(detections_class: type[Any] | None) -> dict[str, OutputMessage]:
    """Return them by output, in the order of publishing: what robots steer by comes first.

    A function that makes one may return None, where there is nothing to publish.
    detections_class: vision_msgs/Detection2DArray, None where it is not installed.
    """
    messages = {
        "mask": OutputMessage(Image, _mask),
        "confidence": OutputMessage(Image, _confidence),
        "scores": OutputMessage(SegmentScores, _scores),
        "segments": OutputMessage(Segments, _segments),
        TRACKS: OutputMessage(TrackEvents, _tracks),
    }
    if detections_class is not None:
        make = detections_maker(detections_class)
        messages["detections"] = OutputMessage(
            detections_class, lambda answer: make(answer.segments, answer.header, answer.numbers)
        )
    return {
        **messages,
        f"mask{COMPRESSED}": OutputMessage(CompressedImage, _compressed_mask),
        "overlay": OutputMessage(Image, _overlay),
        f"overlay{COMPRESSED}": OutputMessage(CompressedImage, _compressed_overlay),
    }


def timing_message(answer: Answer, more_stages: Mapping[str, float]) -> FrameTiming:
    """Return where the time of an answer went, up to now.

    more_stages: seconds of each step that came after the answer was known.
    """
    return FrameTiming(
        header=answer.header,
        total_milliseconds=1e3 * (time.monotonic() - answer.received),
        waited_milliseconds=1e3 * answer.waited,
        stages=[
            StageTime(stage=stage, milliseconds=1e3 * seconds)
            for stage, seconds in {**answer.stages, **more_stages}.items()
        ],
    )


def _mask(answer: Answer) -> Image:
    return image_message(answer.mask, answer.mask_encoding, answer.header)


def _compressed_mask(answer: Answer) -> CompressedImage:
    return png_message(answer.mask, answer.mask_encoding, answer.header)


def _confidence(answer: Answer) -> Image:
    return image_message(answer.painted.confidences(), "mono8", answer.header)


def _overlay(answer: Answer) -> Image:
    return image_message(answer.overlay_bgr, "bgr8", answer.header)


def _compressed_overlay(answer: Answer) -> CompressedImage:
    return jpeg_message(answer.overlay_bgr, answer.header)


def _scores(answer: Answer) -> SegmentScores:
    return scores_message(answer.segments, answer.label_values, answer.header, answer.numbers)


def _segments(answer: Answer) -> Segments:
    return segments_message(
        answer.segments, answer.label_values, answer.size, answer.header, answer.numbers
    )


def _tracks(answer: Answer) -> TrackEvents | None:
    return events_message(answer.events, answer.header) if answer.events else None
