"""What is asked: texts, a click and a box, and the messages that ask them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from geometry_msgs.msg import Point, PointStamped
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import String

from sam3_ros.asking.nodes import AskError
from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Prompt, Prompts
from sam3_ros.ros.prompts.messages import prompt_message, prompts_from_text
from sam3_ros.ros.prompts.requests import Source

_CLICK_ID, _BOX_ID = "point", "box"
_LARGEST = 2**32 - 1


@dataclass(frozen=True)
class NodeQuestion:
    """What is asked; all positions are pixels of the image."""

    #: Phrases, separated by semicolons; None for no text.
    text: str | None = None
    click: tuple[float, float] | None = None
    box: Box | None = None
    #: The camera that is asked; empty for all, or the only one.
    camera: str = ""
    #: Whether what is found is to keep its id from image to image.
    tracking: bool = False

    @property
    def is_empty(self) -> bool:
        return self.text is None and self.click is None and self.box is None

    def topics(self) -> list[tuple[Source, PointStamped | Prompts | RegionOfInterest | String]]:
        """Return the messages that ask the node's topics. Raises AskError."""
        messages: list[tuple[Source, PointStamped | Prompts | RegionOfInterest | String]] = []
        if self.tracking:  # for which the simple topics have no field
            return [(Source.SET, Prompts(action=Prompts.PUT, prompts=self._tracked()))]
        if self.text is not None:
            messages.append((Source.TEXT, String(data=self.text)))
        if self.click is not None:
            x, y = self.click
            messages.append((Source.POINT, PointStamped(point=Point(x=x, y=y))))
        if self.box is not None:
            messages.append((Source.BOX, _region(self.box)))
        return messages

    def prompts(self) -> list[Prompt]:
        """Return the prompts of a call. Raises AskError."""
        asked = []
        if self.text is not None:
            try:
                asked = [prompt_message(p) for p in prompts_from_text(String(data=self.text))]
            except PromptError as error:
                raise AskError(str(error)) from error
        if self.click is not None:
            x, y = self.click
            asked.append(Prompt(id=_CLICK_ID, positive_points=[Point(x=x, y=y)]))
        if self.box is not None:
            x_min, y_min, x_max, y_max = self.box.as_tuple()
            corners = BoxMessage(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)
            asked.append(Prompt(id=_BOX_ID, boxes=[corners]))
        return asked

    def _tracked(self) -> list[Prompt]:
        prompts = self.prompts()
        for prompt in prompts:
            prompt.tracking, prompt.camera = True, self.camera
        return prompts


def _region(box: Box) -> RegionOfInterest:
    """Return the whole pixels that the box covers. Raises AskError for a message's limits."""
    left, top = math.floor(box.x_min), math.floor(box.y_min)
    right, bottom = math.ceil(box.x_max), math.ceil(box.y_max)
    if min(left, top) < 0 or max(right, bottom) > _LARGEST:
        corners = ", ".join(f"{value:g}" for value in box.as_tuple())
        raise AskError(
            f"a box in use begins in the image, got {corners}: --once takes boxes partly outside"
        )
    return RegionOfInterest(x_offset=left, y_offset=top, width=right - left, height=bottom - top)
