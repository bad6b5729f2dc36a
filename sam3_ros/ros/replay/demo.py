"""The demo: the bag that comes with the package, with a script of its own."""

from __future__ import annotations

import os
from pathlib import Path

from sam3_ros.ros.dds_environment import keep_to_this_machine
from sam3_ros.ros.replay.bag import open_bag
from sam3_ros.ros.replay.demo_script import demo_script
from sam3_ros.ros.replay.replay import OnProgress, replay
from sam3_ros.ros.replay.report import ReplayReport
from sam3_ros.ros.replay.schedule import read_image_times
from sam3_ros.ros.replay.settings import NodeSettings, ReplayError, ReplaySettings
from sam3_ros.ros.replay.truth import read_truth

# Above 101 the ports of Linux's domains meet the ephemeral ones; the low ones are people's.
_FIRST_DOMAIN, _DOMAINS = 60, 42


def demo_bag() -> Path:
    """The bag that comes with the package."""
    # Not by sam3_ros.__file__: beside the messages of a developer install lies no data.
    return Path(__file__).parents[2] / "demo_data" / "tabletop_bag"


def private_domain() -> int:
    """A ROS domain that nobody is likely to be in; each process has its own for a while."""
    return _FIRST_DOMAIN + os.getpid() % _DOMAINS


def demo(
    bag_path: Path,
    out: Path,
    node_parameters: tuple[tuple[str, str], ...],
    domain_id: int,
    rate: float,
    progress: OnProgress,
) -> ReplayReport:
    """Replay a bag that has a truth and leave the pictures in a folder. Errors as of replay()."""
    with open_bag(bag_path) as bag:
        images = bag.image_topic().name
        truth = read_truth(bag, images)
        if truth is None:
            raise ReplayError(f"{bag_path} has no truth to place clicks by: use sam3-ros replay")
        cues = demo_script(truth, read_image_times(bag, images))
    keep_to_this_machine(os.environ)
    settings = ReplaySettings(
        bag_path,
        cues,
        rate=rate,
        node=NodeSettings(parameters=node_parameters),
        out=out,
        domain_id=domain_id,
    )
    return replay(settings, progress)
