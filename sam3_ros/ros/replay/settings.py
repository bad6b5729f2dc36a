"""What a replay is asked to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.ros.replay.prompt_cues import PromptCue


class ReplayError(Sam3RosError):
    """A replay that cannot be made as asked, or whose node is not there."""


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
    """rate: 2 plays twice as fast. loops: how often the bag is played.

    image_topic: of the bag, None where there is but one. publish_as: the topic that the images go
    out on, None for the one they have in the bag. out: a folder for video, contact sheet and the
    node's log, None for none. domain_id: None for that of the environment. Raises ReplayError.
    """

    bag: Path
    cues: tuple[PromptCue, ...] = ()
    rate: float = 1.0
    loops: int = 1
    image_topic: str | None = None
    publish_as: str | None = None
    node: NodeSettings = NodeSettings()
    out: Path | None = None
    domain_id: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ReplayError(f"expected a rate above 0, got {self.rate}")
        if self.loops < 1:
            raise ReplayError(f"expected 1 loop or more, got {self.loops}")
