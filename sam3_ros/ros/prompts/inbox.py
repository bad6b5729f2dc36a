"""The topics that bring prompts, and ~/prompt/status, which says what became of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from geometry_msgs.msg import Point, PointStamped
from rclpy.node import Node
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header, String

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.msg import Prompts
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts, Key, Snapshot
from sam3_ros.ros.prompts.active_topic import ActivePromptsTopic
from sam3_ros.ros.prompts.entries import PromptEntries
from sam3_ros.ros.prompts.losses import LostPrompts
from sam3_ros.ros.prompts.messages import (
    keys_from_set,
    prompt_from_box,
    prompt_from_point,
    prompts_from_text,
    requests_from_set,
)
from sam3_ros.ros.prompts.remarks import PromptRemarks
from sam3_ros.ros.prompts.requests import (
    PromptRefusedError,
    PromptRequest,
    Source,
    refusing,
    shortened,
)
from sam3_ros.ros.prompts.rules import PromptRules
from sam3_ros.ros.prompts.status_topic import PromptStatusTopic
from sam3_ros.ros.prompts.subscription import PromptSubscription
from sam3_ros.ros.stamps import nanoseconds


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What a message changed."""

    #: Keys of the prompts that the message named.
    keys: Sequence[Key]
    asked: Snapshot = ()
    #: Prompts of other topics that gave way to one with the same id.
    displaced: Snapshot = ()


class PromptInbox:
    """Takes each message whole or refuses it whole; a refusal leaves the prompts as they were."""

    def __init__(self, node: Node, prompts: ActivePrompts, rules: PromptRules) -> None:
        self._node = node
        self._prompts = prompts
        self._rules = rules
        self._remarks = PromptRemarks(rules.warnings_on)
        self.status = PromptStatusTopic(node)
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

    def ask_parameter(self, entries: PromptEntries) -> Snapshot:
        """Replace what the parameter asked before, and the texts in use for every camera.

        Positions belong to the newest image. Returns what is asked. Raises PromptError, and changes
        nothing.
        """
        for request in entries.others:
            self._rules.require_camera(request)
        count = len(entries.texts)
        accepted = self._rules.accepted([*entries.texts, *entries.others])
        outcome = _outcome(*self._prompts.replace_parameter(accepted[:count], accepted[count:]))
        self._report_displaced(outcome)
        header = self.status.header_of_now()
        for active in outcome.asked:
            if warnings := self._warnings_on(active):
                self.status.accept(header, active.prompt.id, active.camera or "", warnings)
        self._answer_now(header, outcome.asked)
        return outcome.asked

    def confirm(self, active: ActivePrompt) -> None:
        """Report that a prompt is asked which no message has just brought."""
        camera = active.camera or ""
        self.status.accept(
            self.status.header_of_now(), active.prompt.id, camera, self._warnings_on(active)
        )

    def refuse(self, header: Header, prompt_id: str, reason: str, camera: str = "") -> None:
        """Report that a prompt is not, or no longer, asked; from any thread.

        camera: where it is not asked, empty for every camera.
        """
        self.status.refuse(header, prompt_id, reason, camera)

    def warn_on_image(
        self, header: Header, active: ActivePrompt, camera: str, size: ImageSize
    ) -> None:
        """Report how a prompt had to be changed for an image; from any thread.

        Only for its camera's first image, and unless that was known when it was accepted.
        """
        if warnings := self._remarks.on_image(active, camera, size):
            self.status.accept(header, active.prompt.id, camera, warnings)

    def destroy(self) -> None:
        """Destroy the subscriptions and publishers."""
        for subscription in self._subscriptions:
            subscription.destroy()
        self._subscriptions.clear()
        self._list.destroy()
        self.status.destroy()

    def losses(self, now: float) -> LostPrompts:
        """Return how many messages did not arrive; from any thread. now: time.monotonic() s."""
        topics = tuple(self._subscriptions)
        lately = tuple(each.topic for each in topics if each.losses.is_recent(now))
        return LostPrompts(sum(each.losses.count for each in topics), lately)

    def _subscribe(
        self, kind: type, source: Source, camera: str | None, callback: Callable[..., None]
    ) -> PromptSubscription:
        def refuse(reason: str) -> None:
            self.status.refuse_now("", reason, camera or "")

        return PromptSubscription(self._node, kind, source.topic(camera), callback, refuse)

    def _on_text(self, camera: str | None, message: String) -> None:
        def change() -> _Outcome:
            prompts = prompts_from_text(message)
            return self._replace(
                Source.TEXT, camera, [self._rules.text(prompt, camera) for prompt in prompts]
            )

        self._apply(self.status.header_of_now(), camera, change)

    def _on_click(self, camera: str | None, message: Point) -> None:
        """Take a click from rqt_image_view, like a point without a stamp."""
        self._apply_point(camera, PointStamped(point=message), self.status.header_of_now())

    def _on_point(self, camera: str | None, message: PointStamped) -> None:
        self._apply_point(camera, message, message.header)

    def _apply_point(self, camera: str | None, message: PointStamped, header: Header) -> None:
        stamp_ns = nanoseconds(message.header.stamp)

        def change() -> _Outcome:
            prompt = prompt_from_point(message)
            with refusing(prompt.id):
                of = camera or self._rules.camera_of_point(message.header.frame_id, stamp_ns)
            return self._replace(Source.POINT, of, [self._rules.click(prompt, of)], stamp_ns)

        self._apply(header, camera, change)

    def _on_box(self, camera: str | None, message: RegionOfInterest) -> None:
        def change() -> _Outcome:
            prompt = prompt_from_box(message)
            if camera is None:
                with refusing(prompt.id):
                    self._rules.require_one_camera_for_a_box()
            return self._replace(Source.BOX, camera, [self._rules.click(prompt, camera)])

        self._apply(self.status.header_of_now(), camera, change)

    def _on_set(self, message: Prompts) -> None:
        self._apply(message.header, None, lambda: self._change(message))

    def _change(self, message: Prompts) -> _Outcome:
        cameras = self._rules.cameras
        if message.action == Prompts.REMOVE:
            _require_some(message, "REPLACE with none clears everything")
            keys = keys_from_set(message, cameras)
            self._prompts.remove_named(keys)
            return _Outcome(keys)
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
            return _outcome(*self._prompts.put(accepted))
        return _outcome(self._prompts.replace_all(accepted))

    def _replace(
        self,
        source: Source,
        camera: str | None,
        requests: Sequence[PromptRequest],
        stamp_ns: int = 0,
    ) -> _Outcome:
        accepted = self._rules.accepted(requests, stamp_ns)
        return _outcome(*self._prompts.replace(source, camera, accepted))

    def _apply(self, header: Header, camera: str | None, change: Callable[[], _Outcome]) -> None:
        try:
            outcome = change()
        except PromptError as error:
            named = error if isinstance(error, PromptRefusedError) else None
            prompt_id, at = (named.prompt_id, named.camera) if named is not None else ("", "")
            self.status.refuse(header, prompt_id, str(error), at or camera or "")
            return
        self._report_displaced(outcome)
        # One status also if everything was cleared.
        asked = {active.key: active for active in outcome.asked}
        for of, prompt_id in outcome.keys or [(camera, "")]:
            active = asked.get((of, prompt_id))
            warnings = self._warnings_on(active) if active is not None else ()
            self.status.accept(header, prompt_id, of or "", warnings)
        self._answer_now(header, outcome.asked)

    def _report_displaced(self, outcome: _Outcome) -> None:
        by_key = {active.key: active for active in outcome.asked}
        for active in outcome.displaced:
            reason = (
                f"no longer asked: the prompt {shortened(active.prompt.id)!r} of {_topic(active)} "
                f"gave way to one of the same id from {_topic(by_key[active.key])}"
            )
            self.status.refuse_now(active.prompt.id, reason, active.camera or "")

    def _answer_now(self, header: Header, asked: Snapshot) -> None:
        """Answer those that are pinned to a frame, without waiting for another frame."""
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
                self.status.refuse(header, active.prompt.id, str(error), camera)

    def _warnings_on(self, active: ActivePrompt) -> tuple[str, ...]:
        """Return what to know about a prompt that was accepted."""
        names = self._rules.cameras.names if active.camera is None else (active.camera,)
        frames = self._rules.frames
        sizes = {
            name: frames.image_size(name, self._prompts.pinned_ns(active, name)) for name in names
        }
        return self._remarks.on_accepting(active, sizes)


def _outcome(asked: Snapshot, displaced: Snapshot = ()) -> _Outcome:
    return _Outcome([active.key for active in asked], asked, displaced)


def _topic(active: ActivePrompt) -> str:
    return active.source.topic(active.camera)


def _require_some(message: Prompts, advice: str) -> None:
    if not message.prompts:
        raise PromptError(f"expected at least one prompt with this action, got none: {advice}")
