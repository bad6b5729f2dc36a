"""What a replay is asked to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.replay.ask.cues import PromptCue, RemoveCue, TextCue
from sam3_ros.ros.cameras import Cameras


class ReplayError(Sam3RosError):
    """A replay that cannot be made as asked, or whose node is not there."""


class Player(Enum):
    """Who publishes the bag: this process, or a child `ros2 bag play`."""

    OWN = "own"
    ROS2 = "ros2"


@dataclass(frozen=True)
class CameraSource:
    """A camera of the node, and where its images come from.

    name: as in the node's parameter `cameras`, empty for the only one. topic: of the bag, None
    where it has but one camera. publish_as: the topic that the images go out on, None for the one
    they have in the bag.
    """

    name: str = ""
    topic: str | None = None
    publish_as: str | None = None


@dataclass(frozen=True)
class NodeSettings:
    """starts_here: as a child process; else one that runs already is used.

    name: in full. parameters: name and value, as `-p` takes them. Raises ReplayError.
    """

    name: str = "/segmentation_node"
    starts_here: bool = True
    parameters: tuple[tuple[str, str], ...] = ()
    params_file: Path | None = None
    patience: float = 60.0

    def __post_init__(self) -> None:
        if not self.name.startswith("/") or self.name.endswith("/"):
            raise ReplayError(f"expected a node's full name such as /cam/node, got {self.name!r}")
        if not self.starts_here and (self.parameters or self.params_file):
            raise ReplayError("a node that runs already has its parameters: give none with it")
        if not (math.isfinite(self.patience) and self.patience > 0):
            raise ReplayError(f"expected a patience above 0 seconds, got {self.patience}")


@dataclass(frozen=True)
class ReplaySettings:
    """rate: 2 plays twice as fast; None publishes an image when the one before is answered.

    loops: how often the bag is played; repeat_stamps: each time with the recorded stamps, so that
    time jumps back, instead of later ones. clock: /clock tells the bag's time, and a node that is
    started here goes by it. only_every: of each camera's images only each so manieth is sent. out:
    a folder for videos, contact sheets and the node's log, None for none. domain_id: None for that
    of the environment. Raises ReplayError; CameraNameError for the cameras' names.
    """

    bag: Path
    cues: tuple[PromptCue, ...] = ()
    rate: float | None = 1.0
    loops: int = 1
    cameras: tuple[CameraSource, ...] = (CameraSource(),)
    clock: bool = False
    repeat_stamps: bool = False
    only_every: int = 1
    player: Player = Player.OWN
    node: NodeSettings = NodeSettings()
    out: Path | None = None
    domain_id: int | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise ReplayError(f"expected a rate above 0, got {self.rate}")
        if self.loops < 1:
            raise ReplayError(f"expected 1 loop or more, got {self.loops}")
        if self.only_every < 1:
            raise ReplayError(f"expected to play every image or each n-th, got {self.only_every}")
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
