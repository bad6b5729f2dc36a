"""The topics that prompts come by, and ~/prompt/status that says what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from geometry_msgs.msg import PointStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header, String

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.manifest import Manifest
from sam3_ros.core.prompt_checks import require_capability, require_inside
from sam3_ros.core.prompts import Prompt
from sam3_ros.msg import Prompts, PromptStatus
from sam3_ros.ros.active_prompts import ActivePrompts, Source
from sam3_ros.ros.prompt_messages import (
    prompt_from_box,
    prompt_from_point,
    prompts_from_set,
    prompts_from_text,
)
from sam3_ros.ros.prompt_refusals import PromptRefusedError, refusing, shortened
from sam3_ros.ros.prompt_requests import PromptRequest

PROMPT_QOS = QoSProfile(depth=10)
# A set of the most prompts there can be is answered by as many messages at once.
STATUS_QOS = QoSProfile(depth=300)


@dataclass(frozen=True, eq=False)
class PromptRules:
    """What a prompt is held against when it comes.

    image_size: of the last frame, None while there was none. click_frames: as the parameter.
    """

    manifest: Manifest
    image_size: Callable[[], ImageSize | None]
    click_frames: Callable[[], int]

    def check(self, prompts: Sequence[Prompt]) -> None:
        """Raise PromptRefusedError for the first that cannot be answered."""
        size = self.image_size()
        for prompt in prompts:
            with refusing(prompt.id):
                require_capability(prompt, self.manifest)
                if size is not None:
                    require_inside(prompt, size)


class PromptInbox:
    """A message is taken whole or refused whole; a refusal leaves what was asked before."""

    def __init__(self, node: Node, prompts: ActivePrompts, rules: PromptRules) -> None:
        self._node = node
        self._prompts = prompts
        self._rules = rules
        self._status = node.create_publisher(PromptStatus, "~/prompt/status", STATUS_QOS)
        self._subscriptions = [
            node.create_subscription(kind, source.topic(), callback, PROMPT_QOS)
            for kind, source, callback in (
                (String, Source.TEXT, self._on_text),
                (PointStamped, Source.POINT, self._on_point),
                (RegionOfInterest, Source.BOX, self._on_box),
                (Prompts, Source.SET, self._on_set),
            )
        ]

    def ask_texts(self, prompts: Sequence[Prompt]) -> None:
        """Put these in place of the texts in use. Raises PromptError."""
        self._install(Source.TEXT, prompts)

    def refuse(self, header: Header, prompt_id: str, reason: str) -> None:
        """Say that a prompt is not asked; from any thread."""
        self._node.get_logger().warning(f"prompt not asked: {reason}")
        self._say(header, prompt_id, reason)

    def destroy(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._node.destroy_publisher(self._status)

    def _on_text(self, message: String) -> None:
        self._take(Source.TEXT, self._header_of_now(), lambda: prompts_from_text(message))

    def _on_point(self, message: PointStamped) -> None:
        self._take(Source.POINT, message.header, lambda: (prompt_from_point(message),))

    def _on_box(self, message: RegionOfInterest) -> None:
        self._take(Source.BOX, self._header_of_now(), lambda: (prompt_from_box(message),))

    def _on_set(self, message: Prompts) -> None:
        self._take(Source.SET, message.header, lambda: prompts_from_set(message))

    def _take(self, source: Source, header: Header, read: Callable[[], Sequence[Prompt]]) -> None:
        try:
            prompts = read()
            self._install(source, prompts)
        except PromptError as error:
            named = error.prompt_id if isinstance(error, PromptRefusedError) else ""
            self.refuse(header, named, str(error))
            return
        for prompt_id in [prompt.id for prompt in prompts] or [""]:  # one too for "all cleared"
            self._say(header, prompt_id, "")

    def _install(self, source: Source, prompts: Sequence[Prompt]) -> None:
        self._rules.check(prompts)
        if source is Source.SET:
            self._prompts.replace_all([PromptRequest(prompt) for prompt in prompts])
            return
        is_click = source in (Source.POINT, Source.BOX)
        frames = self._rules.click_frames() if is_click else 0
        requests = [PromptRequest(prompt, frames=frames) for prompt in prompts]
        _, displaced = self._prompts.replace(source, None, requests)
        for active in displaced:
            reason = (
                f"no longer asked: the prompt {shortened(active.prompt.id)!r} of "
                f"{active.source.topic()} gave way to one of the same id from {source.topic()}"
            )
            self.refuse(self._header_of_now(), active.prompt.id, reason)

    def _say(self, header: Header, prompt_id: str, reason: str) -> None:
        self._status.publish(
            PromptStatus(header=header, prompt_id=prompt_id, accepted=not reason, reason=reason)
        )

    def _header_of_now(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg())
