"""The topics that prompts come by, and ~/prompt/status that says what became of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from geometry_msgs.msg import Point, PointStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header, String

from sam3_ros.core.errors import PromptError
from sam3_ros.msg import Prompts, PromptStatus
from sam3_ros.ros.cameras import CameraNameError
from sam3_ros.ros.frame import nanoseconds
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts, Key, Snapshot
from sam3_ros.ros.prompts.active_topic import ActivePromptsTopic
from sam3_ros.ros.prompts.entries import PromptEntries
from sam3_ros.ros.prompts.messages import (
    keys_from_set,
    prompt_from_box,
    prompt_from_point,
    prompts_from_text,
    requests_from_set,
)
from sam3_ros.ros.prompts.refusals import PromptRefusedError, naming, refusing, shortened
from sam3_ros.ros.prompts.requests import PromptRequest, Source
from sam3_ros.ros.prompts.rules import PromptRules
from sam3_ros.ros.throttled_log import THROTTLED

PROMPT_QOS = QoSProfile(depth=10)
# A set of the most prompts there can be is answered by as many messages at once.
STATUS_QOS = QoSProfile(depth=300)


@dataclass(frozen=True, eq=False)
class _Taken:
    """What a message did. keys: of the prompts that it named. displaced: by one of the same id."""

    keys: Sequence[Key]
    asked: Snapshot = ()
    displaced: Snapshot = ()


class PromptInbox:
    """A message is taken whole or refused whole; a refusal leaves what was asked before."""

    def __init__(self, node: Node, prompts: ActivePrompts, rules: PromptRules) -> None:
        self._node = node
        self._prompts = prompts
        self._rules = rules
        self._status = node.create_publisher(PromptStatus, "~/prompt/status", STATUS_QOS)
        self._list = ActivePromptsTopic(node, prompts)
        self._subscriptions = [self._subscribe(Prompts, Source.SET, None, self._on_set)]
        for camera in (None, *(name for name in rules.cameras.names if name)):
            self._subscriptions += [
                self._subscribe(String, Source.TEXT, camera, partial(self._on_text, camera)),
                self._subscribe(
                    PointStamped, Source.POINT, camera, partial(self._on_point, camera)
                ),
                self._subscribe(Point, Source.CLICK, camera, partial(self._on_click, camera)),
                self._subscribe(
                    RegionOfInterest, Source.BOX, camera, partial(self._on_box, camera)
                ),
            ]

    def ask_parameter(self, entries: PromptEntries) -> None:
        """Put these in place of those before, and of the texts in use for every camera.

        Positions are those of the newest image. Raises PromptError, and changes nothing.
        """
        for request in entries.others:
            self._require_camera(request)
        count = len(entries.texts)
        accepted = self._rules.accepted([*entries.texts, *entries.others])
        taken = _taken(*self._prompts.replace_parameter(accepted[:count], accepted[count:]))
        self._tell_displaced(taken)
        self._answer_now(self._header_of_now(), taken.asked)

    def refuse(self, header: Header, prompt_id: str, reason: str, camera: str = "") -> None:
        """Say that a prompt is not, or no longer, asked; from any thread.

        camera: where it is not asked, empty for every camera.
        """
        logger = self._node.get_logger()
        logger.warning(f"prompt not asked: {naming(prompt_id, reason)}", **THROTTLED)
        self._say(header, prompt_id, reason, camera)

    def destroy(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._list.destroy()
        self._node.destroy_publisher(self._status)

    def _subscribe(
        self, kind: type, source: Source, camera: str | None, callback: Callable[..., None]
    ) -> Subscription:
        return self._node.create_subscription(kind, source.topic(camera), callback, PROMPT_QOS)

    def _on_text(self, camera: str | None, message: String) -> None:
        def take() -> _Taken:
            prompts = prompts_from_text(message)
            return self._replace(
                Source.TEXT, camera, [PromptRequest(prompt, camera) for prompt in prompts]
            )

        self._take(self._header_of_now(), camera, take)

    def _on_point(self, camera: str | None, message: PointStamped) -> None:
        self._take_point(camera, message, message.header)

    def _on_click(self, camera: str | None, message: Point) -> None:
        """What rqt_image_view sends; as a point without a stamp."""
        self._take_point(camera, PointStamped(point=message), self._header_of_now())

    def _take_point(self, camera: str | None, message: PointStamped, header: Header) -> None:
        stamp_ns = nanoseconds(message.header.stamp)

        def take() -> _Taken:
            prompt = prompt_from_point(message)
            with refusing(prompt.id):
                place = self._rules.placement
                of = camera or place.camera_of_point(message.header.frame_id, stamp_ns)
            return self._replace(Source.POINT, of, [self._rules.click(prompt, of)], stamp_ns)

        self._take(header, camera, take)

    def _on_box(self, camera: str | None, message: RegionOfInterest) -> None:
        def take() -> _Taken:
            prompt = prompt_from_box(message)
            if camera is None:
                with refusing(prompt.id):
                    self._rules.placement.require_one_camera_for_a_box()
            return self._replace(Source.BOX, camera, [self._rules.click(prompt, camera)])

        self._take(self._header_of_now(), camera, take)

    def _on_set(self, message: Prompts) -> None:
        self._take(message.header, None, lambda: self._change(message))

    def _change(self, message: Prompts) -> _Taken:
        cameras = self._rules.cameras
        if message.action == Prompts.REMOVE:
            _require_some(message, "REPLACE with none clears everything")
            keys = keys_from_set(message, cameras)
            self._prompts.remove_named(keys)
            return _Taken(keys)
        if message.action == Prompts.PUT:
            _require_some(message, "add the prompts to ask")
        elif message.action != Prompts.REPLACE:
            raise PromptError(
                f"expected the action REPLACE ({Prompts.REPLACE}), PUT ({Prompts.PUT}) or REMOVE "
                f"({Prompts.REMOVE}), got {message.action}"
            )
        requests = requests_from_set(message, cameras)
        accepted = self._rules.accepted(requests, nanoseconds(message.header.stamp))
        if message.action == Prompts.PUT:
            return _taken(*self._prompts.put(accepted))
        return _taken(self._prompts.replace_all(accepted))

    def _replace(
        self,
        source: Source,
        camera: str | None,
        requests: Sequence[PromptRequest],
        stamp_ns: int = 0,
    ) -> _Taken:
        accepted = self._rules.accepted(requests, stamp_ns)
        return _taken(*self._prompts.replace(source, camera, accepted))

    def _require_camera(self, request: PromptRequest) -> None:
        if request.camera is not None:
            with refusing(request.prompt.id, request.camera):
                try:
                    self._rules.cameras.find(request.camera)
                except CameraNameError as error:
                    raise PromptError(str(error)) from error

    def _take(self, header: Header, camera: str | None, take: Callable[[], _Taken]) -> None:
        try:
            taken = take()
        except PromptError as error:
            named = error if isinstance(error, PromptRefusedError) else None
            prompt_id, of = (named.prompt_id, named.camera) if named is not None else ("", "")
            self.refuse(header, prompt_id, str(error), of or camera or "")
            return
        self._tell_displaced(taken)
        for of, prompt_id in taken.keys or [(camera, "")]:  # one too for "all cleared"
            self._say(header, prompt_id, "", of or "")
        self._answer_now(header, taken.asked)

    def _tell_displaced(self, taken: _Taken) -> None:
        by_key = {active.key: active for active in taken.asked}
        for active in taken.displaced:
            reason = (
                f"no longer asked: the prompt {shortened(active.prompt.id)!r} of {_topic(active)} "
                f"gave way to one of the same id from {_topic(by_key[active.key])}"
            )
            self.refuse(self._header_of_now(), active.prompt.id, reason, active.camera or "")

    def _answer_now(self, header: Header, asked: Snapshot) -> None:
        """Those that were placed on a frame that was seen, without waiting for another."""
        jobs = defaultdict(list)
        for active in asked:
            for name in self._rules.cameras.names:
                stamp_ns = self._prompts.pinned_ns(active, name)
                if stamp_ns is not None:
                    jobs[name, stamp_ns].append(active)
        for (name, stamp_ns), clicks in jobs.items():
            self._answer_on(header, tuple(clicks), name, stamp_ns)

    def _answer_on(self, header: Header, clicks: Snapshot, camera: str, stamp_ns: int) -> None:
        try:
            self._rules.frames.answer_now(clicks, camera, stamp_ns)
        except PromptError as error:
            for active in clicks:
                self._prompts.remove(active, camera)
                self.refuse(header, active.prompt.id, str(error), camera)

    def _say(self, header: Header, prompt_id: str, reason: str, camera: str) -> None:
        self._status.publish(
            PromptStatus(
                header=header,
                prompt_id=prompt_id,
                camera=camera,
                accepted=not reason,
                reason=reason,
            )
        )

    def _header_of_now(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg())


def _taken(asked: Snapshot, displaced: Snapshot = ()) -> _Taken:
    return _Taken([active.key for active in asked], asked, displaced)


def _topic(active: ActivePrompt) -> str:
    return active.source.topic(active.camera)


def _require_some(message: Prompts, advice: str) -> None:
    if not message.prompts:
        raise PromptError(f"expected at least one prompt with this action, got none: {advice}")
