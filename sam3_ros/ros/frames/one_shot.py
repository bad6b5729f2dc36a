"""A call of ~/segment: one question about one image, answered or refused once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from sensor_msgs.msg import Image

from sam3_ros.core.segmenter.prompts import Prompt
from sam3_ros.srv import Segment

Respond: TypeAlias = Callable[[Segment.Response], None]


@dataclass(frozen=True, eq=False)
class OneShot:
    """What the inference thread is to answer for a caller that waits."""

    #: Checked against the bundle, not yet against the image.
    prompts: tuple[Prompt, ...]
    #: The image that came with the call; None for the camera's newest.
    image: Image | None
    #: The camera's name, empty for the only camera; not read if there is an image.
    camera: str
    #: Sends the response; only the first one counts.
    respond: Respond
    #: What to tell about the image; of the prompts it is found out later.
    warnings: tuple[str, ...] = ()
    #: time.monotonic() seconds.
    received: float = field(default_factory=time.monotonic)

    def refuse(self, reason: str) -> None:
        """Respond that it is not answered, and why."""
        self.respond(refusal(reason))


def refusal(reason: str) -> Segment.Response:
    """Return the response of a call that is not answered."""
    return Segment.Response(success=False, reason=reason)
