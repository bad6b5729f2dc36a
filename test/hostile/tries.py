"""How each kind of input is tried on the running node, and what counts as an answer to it."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.serialization import serialize_message
from sam3_ros.msg import Prompt, Prompts
from std_msgs.msg import Header

from hostile import packets
from hostile.inputs import Channel, Input
from hostile.odd_calls import is_refused, is_refused_without_reason, odd_call, odd_segment
from hostile.odd_images import good_message, odd_compressed, odd_image
from hostile.odd_prompts import odd_prompt_message
from hostile.odd_values import odd_text
from hostile.rig import CAMERAS, GIVE_UP_S, HangError, Rig

# change_state knows 1 to 4; 5 to 7 would end the node for good, as they should.
_IDS = (1, 2, 3, 4, 1, 2, 3, 4, 0, 8, 9, *range(10, 16), 30, 31, 40, 50, 60, 61, 62, 99, 255)
_LABELS = ("configure", "cleanup", "activate", "deactivate", "destroy", "create", "Configure")
_PUTS = 100
_LEAST_LARGE = 50_000


class FailedError(Exception):
    """An input did what no input may do. Its first argument is the kind of failure."""


@dataclass(frozen=True)
class Tried:
    """An input that ended as it may."""

    outcome: str
    seconds: float


class Tries:
    """Sends inputs to the node; remembers whether an accepted one changed what it does."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        #: Whether prompts or parameters may be others than the good ones.
        self.is_changed = False
        #: The last message that was sent, serialised, to be kept if it fails.
        self.last = b""

    def one(self, each: Input) -> Tried:
        """Try an input of any kind but images, files and bundles.

        Raises FailedError, NodeEndedError.
        """
        tried = {
            Channel.PROMPT: self._prompt,
            Channel.CALL: self._call,
            Channel.SEGMENT: self._segment,
            Channel.MALFORMED: self._malformed,
            Channel.PACKET: self._packet,
            Channel.TRANSITION: self._transition,
        }
        begin = time.monotonic()
        outcome = tried[each.channel](each)
        return Tried(outcome, time.monotonic() - begin)

    def images(self, each: list[Input]) -> list[Tried]:
        """Send an image to as many cameras at once. Raises HangError, NodeEndedError."""
        if self.is_changed:
            self.restore()
        rig = self._rig
        before = {camera: rig.counts[camera] for camera in CAMERAS}
        cameras = CAMERAS[: len(each)]
        messages = []
        for one in each:
            make = odd_image if one.channel is Channel.RAW else odd_compressed
            messages.append(serialize_message(make(one.chance(), rig.next_stamp())[1]))
        self.last = messages[-1]
        begin = time.monotonic()
        for camera, message in zip(cameras, messages, strict=True):
            rig.send(camera, message)
        gone = rig.settle(cameras, rig.hang_s)
        seconds = time.monotonic() - begin
        tried = []
        for camera in cameras:
            since = rig.counts[camera].since(before[camera])
            outcome = "dropped" if sum(since.dropped.values()) else "answered"
            if camera in gone:
                outcome = "lost"
            elif sum(since.failures.values()):
                outcome = "refused"
            tried.append(Tried(outcome, seconds))
        return tried

    def restore(self) -> None:
        """Let a frame be answered under what was accepted, then ask the good prompt alone.

        Hundreds of prompts at once take their time. Raises FailedError, NodeEndedError.
        """
        try:
            self._rig.send("front", good_message(self._rig.transport))
            self._rig.settle(["front"])
            self._rig.ask_good()
        except HangError as error:
            raise FailedError(
                "hang", f"after prompts and parameters were changed: {error}"
            ) from error
        self.is_changed = False

    def _prompt(self, each: Input) -> str:
        rig, chance = self._rig, each.chance()
        if chance.random() < 0.03:
            return self._burst(each.number)
        topic, message = odd_prompt_message(chance, rig.next_stamp(), CAMERAS)
        token = f"#{each.number} "
        if isinstance(message, Prompts):
            message.header.frame_id = token + message.header.frame_id  # a NUL ends it
        self.last = serialize_message(message)

        def found() -> Any:
            for status in rig.statuses:
                # One that is refused for its size is not read, so its header is not known.
                has_token = isinstance(message, Prompts) and len(self.last) < _LEAST_LARGE
                if token in status.header.frame_id or not has_token:
                    return status
            return None

        rig.statuses.clear()
        rig.prompts[topic].publish(message)
        try:
            status = rig.wait(found, 5 * rig.hang_s)
        except HangError as error:
            raise FailedError("silent", f"a prompt on {topic} has no status") from error
        if not status.accepted and not status.reason:
            raise FailedError("unclear", f"a prompt on {topic} was refused without a reason")
        self.is_changed |= status.accepted
        return "answered" if status.accepted else "refused"

    def _burst(self, number: int) -> str:
        """Put a hundred prompts without waiting: each has its status."""
        rig = self._rig
        tokens = {f"burst {number} {count}" for count in range(_PUTS)}
        for token in sorted(tokens):
            header = Header(frame_id=token)
            prompt = Prompt(id="burst", text="red cube")
            rig.prompts["prompts"].publish(Prompts(header=header, action=1, prompts=[prompt]))
        self.is_changed = True

        def missing() -> int:
            return len(tokens - {status.header.frame_id for status in rig.statuses})

        try:
            rig.wait(lambda: not missing(), 2 * rig.hang_s)
        except HangError as error:
            counted = rig.prompts_lost
            if missing() > counted:
                what = (
                    f"{missing()} of {_PUTS} prompts in a burst have no status, {counted} counted"
                )
                raise FailedError("silent", what) from error
            return "lost"
        return "answered"

    def _call(self, each: Input) -> str:
        name, request = odd_call(each.chance())
        self.last = serialize_message(request)
        response = self._response(name, request)
        if is_refused_without_reason(response):
            raise FailedError("unclear", f"{name} was refused without a reason")
        self.is_changed |= name.startswith("set_")
        return "refused" if is_refused(response) else "answered"

    def _segment(self, each: Input) -> str:
        what, request = odd_segment(each.chance(), self._rig.next_stamp(), CAMERAS)
        self.last = serialize_message(request)
        response = self._response("segment", request)
        if is_refused_without_reason(response):
            raise FailedError("unclear", f"~/segment with {what} was refused without a reason")
        return "answered" if response.success else "refused"

    def _response(self, name: str, request: Any) -> Any:
        """Call once, and once more if that took too long: this machine may have been busy."""
        with suppress(HangError):
            return self._rig.call(name, request)
        try:
            return self._rig.call(name, request)
        except HangError as error:
            raise FailedError("silent", f"no response of {name}: {error}") from error

    def _malformed(self, each: Input) -> str:
        rig, chance = self._rig, each.chance()
        topic, message = odd_prompt_message(chance, rig.next_stamp(), CAMERAS)
        camera = chance.choice((None, *CAMERAS))
        if camera is not None:
            make = odd_image if rig.transport == "raw" else odd_compressed
            _, message = make(chance, rig.next_stamp())
        self.last = _malformed(serialize_message(message)[:200_000], chance)
        if camera is None:
            self.is_changed = True
        rig.vandalise(camera or topic, self.last)
        self._response("get_state", GetState.Request())
        if camera is not None:  # by chance it may be an image after all
            rig.wait_until_quiet()
            rig.resync(camera)
        return "ignored"

    def _packet(self, each: Input) -> str:
        self.last = packets.odd_packet(each.chance())
        packets.send(packets.udp_ports(self._rig.pid), self.last)
        self._response("get_state", GetState.Request())
        return "ignored"

    def _transition(self, each: Input) -> str:
        """Ask for several transitions at once while images come; then bring the node back."""
        rig, chance = self._rig, each.chance()
        rig.settle(CAMERAS)
        before, sent = {c: rig.counts[c] for c in CAMERAS}, dict.fromkeys(CAMERAS, 0)
        futures = []
        for _ in range(chance.randint(2, 6)):
            request = ChangeState.Request()
            if chance.random() < 0.6:
                request.transition.id = chance.choice(_IDS)
            else:
                label = chance.choice((*_LABELS, odd_text(chance)))
                request.transition.label = "" if label == "shutdown" else label
            futures.append(rig.clients["change_state"].call_async(request))
            for camera in CAMERAS:
                rig.images[rig.transport][camera].publish(good_message(self._rig.transport))
                sent[camera] += 1
            end = time.monotonic() + chance.choice((0.0, 0.02, 0.2))
            while time.monotonic() < end:
                rig.spin(0.01)
        try:
            rig.wait(lambda: all(future.done() for future in futures), GIVE_UP_S)
        except HangError as error:
            raise FailedError("silent", "a transition has no response") from error
        rig.drive_to("active")
        rig.wait_until_quiet()
        self.is_changed = True
        for camera in CAMERAS:
            since = rig.counts[camera].since(before[camera])
            if since.received > sent[camera] or since.in_work:
                raise FailedError("silent", f"frames of {camera} in transitions: {since}")
        rig.begin_account()
        success = any(future.result().success for future in futures)
        return "answered" if success else "refused"


def _malformed(serialised: bytes, chance: random.Random) -> bytes:
    """Return the bytes of a message with mistakes that no serialiser makes."""
    data = bytearray(serialised)
    match chance.randrange(6):
        case 0:
            del data[chance.randrange(len(data)) :]
        case 1:
            return chance.randbytes(chance.choice((0, 1, 3, 4, 5, 64, 1000)))
        case 2:
            data[:4] = chance.randbytes(4)
        case 3:
            data += chance.randbytes(chance.choice((1, 4, 1000)))
        case _:
            for _ in range(chance.choice((1, 4))):
                at = chance.randrange(4, max(5, min(len(data), 128)), 4)
                data[at : at + 4] = chance.choice(
                    (b"\xff" * 4, b"\xff\xff\xff\x7f", b"\xfe\xff\x80\xc0")
                )
    return bytes(data)
