"""The demo: the bag that comes with the package, with a script of its own."""

from __future__ import annotations

import os
from pathlib import Path

from sam3_ros.replay.ask.settings import CameraSource, NodeSettings, ReplayError, ReplaySettings
from sam3_ros.replay.bag.bag import Bag, open_bag
from sam3_ros.replay.bag.schedule import read_image_times
from sam3_ros.replay.bag.truth import read_truth, truth_topic
from sam3_ros.replay.demo_script import DemoCamera, demo_script
from sam3_ros.replay.play.playback import OnProgress
from sam3_ros.replay.replay import replay
from sam3_ros.replay.report.report import ReplayReport
from sam3_ros.ros.launching.dds import keep_to_this_machine

# Above 101 the ports of Linux's domains meet the ephemeral ones; the low ones are people's.
_FIRST_DOMAIN, _DOMAINS = 60, 42


def private_domain() -> int:
    """A ROS domain that nobody is likely to be in; each process has its own for a while."""
    return _FIRST_DOMAIN + os.getpid() % _DOMAINS


def demo(
    bag_path: Path,
    out: Path,
    node_parameters: tuple[tuple[str, str], ...],
    domain_id: int,
    rate: float | None,
    progress: OnProgress,
) -> ReplayReport:
    """Replay a bag that has a truth and leave the pictures in a folder. Errors as of replay().

    rate: as in ReplaySettings.
    """
    with open_bag(bag_path) as bag:
        sources = _cameras(bag)
        cues = demo_script([_known(bag, source) for source in sources])
    keep_to_this_machine(os.environ)
    settings = ReplaySettings(
        bag_path,
        cues,
        rate=rate,
        cameras=sources,
        node=NodeSettings(parameters=node_parameters),
        out=out,
        domain_id=domain_id,
    )
    return replay(settings, progress)


def _cameras(bag: Bag) -> tuple[CameraSource, ...]:
    """Those with a truth, by the first part of their topics; one alone has no name."""
    topics = [t for t in bag.camera_topics if truth_topic(bag, t) is not None]
    if not topics:
        raise ReplayError(f"{bag.path} has no truth to place clicks by: use sam3-ros replay")
    if len(topics) == 1:
        return (CameraSource("", topics[0]),)
    return tuple(CameraSource(topic.split("/")[1], topic) for topic in topics)


def _known(bag: Bag, source: CameraSource) -> DemoCamera:
    assert source.topic is not None
    truth = read_truth(bag, source.topic)
    assert truth is not None
    return DemoCamera(source.name, truth, read_image_times(bag, source.topic))
