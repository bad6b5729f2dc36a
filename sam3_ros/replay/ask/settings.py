"""Settings of a replay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.replay.ask.cues import PromptCue, RemoveCue, TextCue
from sam3_ros.replay.bag.topic_names import is_topic_name
from sam3_ros.ros.cameras import Cameras

#: Of CameraSource.depth: the only topic of depth near the images.
BESIDE_IMAGES = ""


class ReplayError(Sam3RosError):
    """A replay that cannot be run as asked, or whose node is not there."""


class Player(Enum):
    """The process that publishes the bag."""

    #: This process.
    OWN = "own"
    #: A child `ros2 bag play`.
    ROS2 = "ros2"


@dataclass(frozen=True)
class CameraSource:
    """A camera of the node, and where its images come from. Raises ReplayError."""

    #: As in the node's parameter `cameras`; empty for the only camera.
    name: str = ""
    #: The topic in the bag; None if the bag has only one camera.
    topic: str | None = None
    #: The topic on which the images go out; None for the topic in the bag.
    publish_as: str | None = None
    #: The topic of depth in the bag, BESIDE_IMAGES to find it; None for no depth.
    depth: str | None = None

    def __post_init__(self) -> None:
        if self.publish_as is not None and not is_topic_name(self.publish_as):
            raise ReplayError(
                "expected the full name of a topic to publish on, such as /camera/image, got "
                f"{self.publish_as!r}"
            )


@dataclass(frozen=True)
class NodeSettings:
    """The node under test. Raises ReplayError."""

    #: The full name.
    name: str = "/segmentation_node"
    #: Start it as a child process; else use one that is already running.
    starts_here: bool = True
    #: Name and value, as `-p` takes them.
    parameters: tuple[tuple[str, str], ...] = ()
    params_file: Path | None = None
    #: Longest wait in seconds for the node to be active, and for its last answers.
    patience: float = 60.0

    def __post_init__(self) -> None:
        if not is_topic_name(self.name):
            raise ReplayError(f"expected a node's full name such as /cam/node, got {self.name!r}")
        if not self.starts_here and (self.parameters or self.params_file):
            raise ReplayError("a running node already has its parameters: give none with it")
        if self.params_file is not None and not self.params_file.is_file():
            raise ReplayError(f"there is no file of parameters {self.params_file}")
        if not (math.isfinite(self.patience) and self.patience > 0):
            raise ReplayError(f"expected a patience above 0 seconds, got {self.patience}")


@dataclass(frozen=True)
class ReplaySettings:
    """One replay. Raises ReplayError; CameraNameError for the cameras' names."""

    bag: Path
    cues: tuple[PromptCue, ...] = ()
    #: 2 plays twice as fast; None publishes an image when the previous one is answered.
    rate: float | None = 1.0
    #: How often the bag is played.
    loops: int = 1
    cameras: tuple[CameraSource, ...] = (CameraSource(),)
    #: Publish the bag's time on /clock; a node that is started here uses it.
    clock: bool = False
    #: Play each loop with the recorded stamps, so that time jumps back, instead of later ones.
    repeat_stamps: bool = False
    #: Send only every n-th image of each camera.
    only_every: int = 1
    player: Player = Player.OWN
    node: NodeSettings = NodeSettings()
    #: A folder for videos, contact sheets and the node's log; None for none.
    out: Path | None = None
    #: Overwrite files in it that no replay wrote.
    force: bool = False
    #: None for the domain of the environment.
    domain_id: int | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise ReplayError(f"expected a rate above 0, got {self.rate}")
        if self.loops < 1:
            raise ReplayError(f"expected 1 loop or more, got {self.loops}")
        if self.only_every < 1:
            raise ReplayError(f"expected to send every n-th image, n >= 1, got {self.only_every}")
        self._check_cameras()
        if self.player is Player.ROS2:
            self._check_ros2_player()

    def _check_cameras(self) -> None:
        names = [camera.name for camera in self.cameras]
        if not names or ("" in names and len(names) > 1):
            raise ReplayError(f"expected one camera, or several with names, got {names}")
        Cameras.named(names)
        for cue in self.cues:
            if cue.camera and cue.camera not in names:
                known = ", ".join(names) if names != [""] else "one without a name only"
                raise ReplayError(
                    f"the prompt at {cue.at:g} s is for the camera {cue.camera!r}; there is {known}"
                )
            is_click = not isinstance(cue, (TextCue, RemoveCue))
            if is_click and not cue.camera and len(names) > 1:
                raise ReplayError(
                    f"say which camera the click at {cue.at:g} s is for, one of {', '.join(names)}"
                )

    def _check_ros2_player(self) -> None:
        if self.rate is None or self.only_every > 1:
            raise ReplayError(
                "ros2 bag play keeps the recorded pace and plays every message: give a rate, or "
                "leave out --player"
            )
        if self.loops > 1 and not self.repeat_stamps:
            raise ReplayError("ros2 bag play repeats the recorded stamps: add --loop-clock")
