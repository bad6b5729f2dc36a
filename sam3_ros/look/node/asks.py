"""Prompts on their way to the node, and what ~/prompt/status says of each.

The node gives a status the header of the message that it is about, and reads nothing of it but the
stamp: so frame_id has what tells this message from all others.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from rclpy.node import Node
from rclpy.qos import QoSProfile

from sam3_ros.look.node.answers import ScoredImage, stamp_of
from sam3_ros.look.node.settling import settle
from sam3_ros.look.viewing import PictureStamp, Verdict
from sam3_ros.msg import Prompts, PromptStatus
from sam3_ros.ros.prompts.requests import UNHEARD

# As deep as the node's: what viewers ask in a row is sent whole.
_DEEP = QoSProfile(depth=300)
#: Until a question is refused because the node says nothing.
ANSWER_SECONDS = 5.0
# The node may have known this listener too late; asking the same again changes nothing.
_AGAIN_SECONDS = 1.5
# An accepted click may still be refused by its image, or be answered; then it is settled.
_SETTLED_SECONDS = 0.7
_UNHEARD_SECONDS = 0.15
_MOST_REMEMBERED = 500
#: Of a click whose answer shows no object.
NOTHING_THERE = "no object is found there: click elsewhere, or draw a box around it"
# Of what the node says of a prompt that another one of its id has replaced.
_GAVE_WAY = "gave way to one of the same id"


@dataclass(eq=False)
class _Ask:
    message: Prompts
    future: Future[Verdict]
    #: The image whose answer settles it; None where the status alone does.
    stamp: PictureStamp | None
    #: time.monotonic() s.
    began: float = field(default_factory=time.monotonic)
    sent_at: float = 0.0
    statuses: list[PromptStatus] = field(default_factory=list)
    accepted_at: float | None = None
    #: When it is sent again; None where it is not.
    again_at: float | None = None
    is_repeated: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.prompt_id for each in self.statuses if each.prompt_id))


class PromptAsks:
    """Asks and waits for the node's word; for the ROS thread."""

    def __init__(self, node: Node, name: str, why_deaf: Callable[[], str]) -> None:
        """name: the full name of the node that is asked.

        why_deaf: returns, in words, why nobody listens to ~/prompts.
        """
        self._name, self._why_deaf = name, why_deaf
        self._publisher = node.create_publisher(Prompts, f"{name}/prompts", _DEEP)
        self._status = node.create_subscription(
            PromptStatus, f"{name}/prompt/status", self._on_status, _DEEP
        )
        self._node = node
        self._token, self._number = f"look-{uuid.uuid4().hex[:12]}", 0
        self._waiting: dict[str, _Ask] = {}
        # What was asked here, to tell of its end; the newest ids last.
        self._asked_here: dict[str, None] = {}
        #: Called with the status of a prompt asked here that the node drops later.
        self.on_dropped: Callable[[PromptStatus], None] | None = None

    def ask(
        self, message: Prompts, future: Future[Verdict], stamp: PictureStamp | None = None
    ) -> None:
        """Publish a message; the future gets what became of it.

        stamp: of the image that points and boxes were placed on.
        """
        if not self._publisher.get_subscription_count():
            settle(future, Verdict(False, self._why_deaf()))
            return
        self._number += 1
        token = f"{self._token}-{self._number}"
        message.header.frame_id = token
        if stamp is not None:
            message.header.stamp.sec, message.header.stamp.nanosec = stamp
        asked = self._waiting[token] = _Ask(message, future, stamp)
        self._send(asked)

    def on_answer(self, answer: ScoredImage) -> None:
        """Settle the clicks on this image that the node has accepted."""
        for token, asked in list(self._waiting.items()):
            if asked.accepted_at is not None and asked.stamp == answer.stamp:
                is_found = any(answer.box_of(each) is not None for each in asked.ids)
                self._settle(token, _accepted(asked, () if is_found else (NOTHING_THERE,)))

    def tick(self) -> None:
        """Look whose time is over; some times a second."""
        now = time.monotonic()
        for token, asked in list(self._waiting.items()):
            if asked.accepted_at is not None and now - asked.accepted_at > _SETTLED_SECONDS:
                self._settle(token, _accepted(asked))
            elif now - asked.began > ANSWER_SECONDS:
                self._settle(token, Verdict(False, self._silence()))
            elif asked.again_at is not None and now >= asked.again_at:
                self._send(asked)
            elif not asked.is_repeated and not asked.statuses and self._is_late(asked, now):
                asked.is_repeated = True
                self._send(asked)

    def close(self) -> None:
        """Refuse all that waits."""
        for token in list(self._waiting):
            self._settle(token, Verdict(False, "sam3-ros look ends"))
        self._node.destroy_subscription(self._status)
        self._node.destroy_publisher(self._publisher)

    def _is_late(self, asked: _Ask, now: float) -> bool:
        # What is removed already cannot be removed again.
        return asked.message.action == Prompts.PUT and now - asked.sent_at > _AGAIN_SECONDS

    def _send(self, asked: _Ask) -> None:
        asked.sent_at = time.monotonic()
        asked.accepted_at = asked.again_at = None
        asked.statuses.clear()
        self._publisher.publish(asked.message)

    def _on_status(self, status: PromptStatus) -> None:
        asked = self._waiting.get(status.header.frame_id)
        if asked is None:
            self._on_later_status(status)
            return
        asked.statuses.append(status)
        if not status.accepted:
            self._settle(status.header.frame_id, _refused(asked, status))
        elif len(asked.statuses) == len(asked.message.prompts):
            if asked.stamp is None:
                self._settle(status.header.frame_id, _accepted(asked))
            else:
                asked.accepted_at = time.monotonic()

    def _on_later_status(self, status: PromptStatus) -> None:
        """Take a status at an image: of a prompt that is dropped, or that had to be changed."""
        for token, asked in list(self._waiting.items()):
            is_of_it = asked.stamp == stamp_of(status.header) and status.prompt_id in asked.ids
            if asked.accepted_at is None or not is_of_it:
                continue
            if status.accepted:
                asked.statuses.append(status)
            elif status.reason.endswith(UNHEARD):
                # The node did not know yet that we listen to its answers; it will soon.
                asked.accepted_at, asked.again_at = None, time.monotonic() + _UNHEARD_SECONDS
            else:
                self._settle(token, _refused(asked, status))
            return
        is_over = not status.accepted and _GAVE_WAY not in status.reason
        if is_over and status.prompt_id in self._asked_here and self.on_dropped is not None:
            self.on_dropped(status)

    def _settle(self, token: str, verdict: Verdict) -> None:
        asked = self._waiting.pop(token)
        if verdict.accepted and asked.message.action == Prompts.PUT:
            ids = [*self._asked_here, *verdict.prompt_ids][-_MOST_REMEMBERED:]
            self._asked_here = dict.fromkeys(ids)
        settle(asked.future, verdict)

    def _silence(self) -> str:
        return (
            f"{self._name} has not answered for {ANSWER_SECONDS:g} s: it may be loading a model, "
            "or be gone; ask again"
        )


def _accepted(asked: _Ask, more: tuple[str, ...] = ()) -> Verdict:
    warnings = dict.fromkeys(text for each in asked.statuses for text in each.warnings)
    return Verdict(True, warnings=(*warnings, *more), prompt_ids=asked.ids)


def _refused(asked: _Ask, status: PromptStatus) -> Verdict:
    reason = status.reason
    if asked.stamp is not None and any(words in reason for words in _TOO_LATE):
        reason += "; or press pause first, then click"
    return Verdict(False, reason)


# Of what the node says of an image that it does not keep any more.
_TOO_LATE = ("is too old", "is no longer kept")
