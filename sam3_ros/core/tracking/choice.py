"""How the objects of a bundle are followed: the one place where its abilities decide."""

from __future__ import annotations

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.segmenter.interactive import InteractiveAnswers
from sam3_ros.core.timings import CallTimings
from sam3_ros.core.tracking.asking import Following
from sam3_ros.core.tracking.detection_alone import FollowsByDetectionAlone
from sam3_ros.core.tracking.follower import Follower
from sam3_ros.core.tracking.memory.follower import FollowsByMemory
from sam3_ros.core.tracking.reprompting import FollowsByReprompting
from sam3_ros.core.tracking.settings import TrackingSettings


def following_of(
    manifest: Manifest, answers: InteractiveAnswers | None, timings: CallTimings
) -> Following:
    """Return the best that a bundle can do: a memory, prompting again, or detections alone.

    answers: None where it takes no clicks. timings: get the seconds of what the follower does.
    """
    interactive, video = manifest.interactive, manifest.video
    if answers is None or interactive is None:
        return Following(lambda _: FollowsByDetectionAlone(), every_image=True)
    if video is None:
        return Following(lambda settings: FollowsByReprompting(answers, settings.least_score))

    def by_memory(settings: TrackingSettings) -> Follower:
        return FollowsByMemory(interactive, video, timings, settings.memory_frames)

    return Following(by_memory)
