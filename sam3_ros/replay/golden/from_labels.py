"""Golden frames of a bag of labels: what `sam3-ros label` answered, for a replay to be held to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sam3_ros.core.bounded_file import read_at_most
from sam3_ros.core.segmenter.segments import TrackState, TrackStatus
from sam3_ros.label.outputs.label_topics import IMAGES_OF
from sam3_ros.replay.ask.cues import TextCue
from sam3_ros.replay.ask.settings import ReplaySettings
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.client.answered_frame import FoundSegment
from sam3_ros.replay.golden.comparison import FrameKey, FrameOfLabels, Labels
from sam3_ros.replay.golden.expectation import Judging
from sam3_ros.replay.golden.frames import GoldenError, GoldenFrames, GoldenWriter
from sam3_ros.replay.golden.run import asked_prompts, judged_stamps

_MOST_BYTES = 10_000_000
# SegmentScore.track_state, from 1.
_STATES = tuple(TrackState)


def golden_from_labels(
    labels: Path, settings: ReplaySettings, folder: Path, judging: Judging
) -> GoldenFrames:
    """Store the labels of the images that are judged as golden frames.

    labels: a bag that `sam3-ros label` wrote of the bag of the settings. Raises GoldenError for
    labels of other images or of other prompts, and for what no labels answer: clicks, loops.
    """
    _require_like_labels(settings)
    roots = _roots(labels)
    asked, missing = asked_prompts(settings), judged_stamps(settings, judging.every)
    with GoldenWriter(folder, force=settings.force) as writer:
        for camera, topic in _image_topics(settings).items():
            if topic not in roots:
                raise GoldenError(
                    f"{labels} has no labels of {topic}, only of {', '.join(roots)}: label it too"
                )
            wanted = set(missing[camera])
            for frame in _frames(labels, roots[topic], camera):
                if frame.key.stamp_ns not in wanted:
                    continue
                wanted.discard(frame.key.stamp_ns)
                _require_asked(frame, asked[camera])
                writer.add(frame)
            if wanted:
                raise GoldenError(
                    f"{labels} lacks {len(wanted)} of the {len(missing[camera])} images of {topic} "
                    "that are judged, not labelled or not answered: label every image, or with "
                    "--every as in the expectation"
                )
        return writer.finish()


def _require_like_labels(settings: ReplaySettings) -> None:
    others = [cue for cue in settings.cues if not isinstance(cue, TextCue) or cue.at > 0]
    if others or not settings.cues:
        raise GoldenError(
            "labels answer texts that are asked from the beginning: expected prompts that are "
            f"texts at 0, got {others[0] if others else 'none'}; use --update for others"
        )
    if settings.loops > 1:
        raise GoldenError(f"labels answer each image once, got loops: {settings.loops}")


def _require_asked(frame: FrameOfLabels, asked: tuple[str, ...]) -> None:
    others = sorted(frame.values.keys() - set(asked))
    if others:
        raise GoldenError(
            f"the labels answer {', '.join(map(repr, others))}, which the expectation does not ask "
            f"(it asks {', '.join(map(repr, asked))}): ask what was labelled, in the same order"
        )


def _image_topics(settings: ReplaySettings) -> dict[str, str]:
    """Return the topic of each camera's images."""
    with open_bag(settings.bag, settings.node.name) as bag:
        return {source.name: bag.image_topic(source.topic).name for source in settings.cameras}


def _roots(labels: Path) -> dict[str, str]:
    """Return the root of the labels' topics by the topic of the images."""
    try:
        document = yaml.safe_load(read_at_most(labels / "metadata.yaml", _MOST_BYTES))
        told: Mapping[str, str] = document["rosbag2_bagfile_information"]["custom_data"]
        found = {
            str(topic): key.removeprefix(IMAGES_OF)
            for key, topic in told.items()
            if key.startswith(IMAGES_OF)
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or repr(error)
        raise GoldenError(f"{labels} is no bag of labels: {reason}") from error
    if not found:
        raise GoldenError(f"{labels} is no bag that `sam3-ros label` wrote: name one of its bags")
    return found


def _frames(labels: Path, root: str, camera: str) -> Iterator[FrameOfLabels]:
    from rosbags.highlevel import AnyReader, AnyReaderError
    from rosbags.rosbag2 import ReaderError

    try:
        with AnyReader([labels]) as reader:
            wanted = [each for each in reader.connections if each.topic == f"{root}/segments"]
            for connection, _, data in reader.messages(connections=wanted):
                yield _frame(reader.deserialize(data, connection.msgtype), camera)
    except (AnyReaderError, ReaderError, OSError) as error:
        raise GoldenError(f"cannot read {labels}: {error}") from error


def _frame(message: Any, camera: str) -> FrameOfLabels:
    """Return a Segments message as the node's label image and scores."""
    stamp = message.header.stamp
    labels: Labels = np.zeros((message.height, message.width), np.uint8)
    for segment in reversed(message.segments):  # the best is painted last
        region, mask = segment.roi, segment.mask
        inside = mask.data.reshape(mask.height, mask.width) > 0
        rows = slice(region.y_offset, region.y_offset + mask.height)
        columns = slice(region.x_offset, region.x_offset + mask.width)
        labels[rows, columns][inside] = segment.score.label_value
    found = (_found(segment.score) for segment in message.segments)
    key = FrameKey(camera, 0, stamp.sec * NANOSECONDS + stamp.nanosec)
    seen = tuple(segment for segment in found if segment.is_seen)
    return FrameOfLabels(key, message.header.frame_id, labels, seen)


def _found(score: Any) -> FoundSegment:
    track = None
    if score.track_state:
        state = _STATES[score.track_state - 1]
        track = TrackStatus(score.track_id, state, score.track_age, score.frames_unseen)
    box = score.box
    return FoundSegment(
        prompt_id=score.prompt_id,
        value=score.label_value,
        id=score.id,
        label=score.label,
        score=score.score,
        box=(box.x_min, box.y_min, box.x_max, box.y_max),
        track=track,
    )
