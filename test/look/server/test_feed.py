"""The feed over a real websocket: the newest picture, at each viewer's own pace."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fed_viewing import picture_of
from served import Served, served
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from sam3_ros.look.server import feed as feed_module
from sam3_ros.look.viewing import PictureLayer, View

OVERLAY = {"camera": "", "layer": "overlay", "plain": False}
PATIENCE = 30.0


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


class Browser:
    """A viewer that shows a picture and acknowledges it when it is told to."""

    def __init__(self, line: ClientConnection) -> None:
        self.line = line

    def say(self, **what: Any) -> None:
        self.line.send(json.dumps(what))

    def picture(self) -> tuple[dict[str, Any], bytes]:
        """Return the head and the images of the next picture."""
        message = self.line.recv(PATIENCE)
        assert isinstance(message, bytes)
        length = int.from_bytes(message[:4], "big")
        return json.loads(message[4 : 4 + length]), message[4 + length :]

    def gets_nothing(self) -> bool:
        with pytest.raises(TimeoutError):
            self.line.recv(0.2)
        return True


def test_a_picture_arrives_as_the_source_encoded_it(server: Served) -> None:
    with server.websocket() as line:
        browser = Browser(line)
        browser.say(**OVERLAY)
        until(lambda: len(server.viewing.watches) == 1)
        picture = picture_of(7)
        server.viewing.show(picture)
        head, images = browser.picture()

    assert images == picture.image.data
    assert head["n"] == 1
    assert (head["sec"], head["nanosec"], head["width"], head["height"]) == (7, 0, 640, 480)
    assert head["image"] == {"type": "image/jpeg", "size": len(picture.image.data)}
    assert head["plain"] is None
    assert head["segments"] == []


def test_a_slow_viewer_gets_fewer_pictures_and_then_the_newest(server: Served) -> None:
    with server.websocket() as slow_line, server.websocket() as quick_line:
        slow, quick = Browser(slow_line), Browser(quick_line)
        for browser in (slow, quick):
            browser.say(**OVERLAY)
        # Both watch the one view, which the source works for once.
        until(lambda: len(server.viewing.watches) == 1)
        server.viewing.show(picture_of(1))
        assert slow.picture()[0]["sec"] == 1
        for number in range(1, 41):
            if number > 1:
                server.viewing.show(picture_of(number))
            assert quick.picture()[0]["sec"] == number
            quick.say(ack=number)
        assert slow.picture()[0]["sec"] == 2
        assert slow.gets_nothing()
        slow.say(ack=1)
        assert slow.picture()[0]["sec"] == 40


def test_who_does_not_read_at_all_holds_up_nobody(server: Served) -> None:
    # Far more than the buffers between the two hold; the client reads one and then no more.
    with server.websocket(max_queue=1, max_size=None) as deaf_line, server.websocket() as line:
        deaf, other = Browser(deaf_line), Browser(line)
        deaf.say(**OVERLAY)
        other.say(**{**OVERLAY, "plain": True})
        until(lambda: len(server.viewing.watches) == 2)
        # In the order in which they came, which may be the other one.
        overlay, plain = sorted(server.viewing.watches, key=lambda each: each.view.with_plain)
        for number in (1, 2):
            overlay.receiver(picture_of(number, size=20_000_000))
        for number in range(1, 21):
            plain.receiver(picture_of(number))
            assert other.picture()[0]["sec"] == number
            other.say(ack=number)


def test_what_nobody_watches_is_not_watched_at_the_source(server: Served) -> None:
    with server.websocket() as line:
        browser = Browser(line)
        browser.say(**OVERLAY)
        until(lambda: len(server.viewing.watches) == 1)
        browser.say(camera="side", layer="masks", plain=True)
        until(
            lambda: (
                [each.view for each in server.viewing.watches]
                == [View("side", PictureLayer.MASKS, True)]
            )
        )
        browser.say(camera=None)
        until(lambda: not server.viewing.watches)
        browser.say(**OVERLAY)
        until(lambda: len(server.viewing.watches) == 1)
    until(lambda: not server.viewing.watches)


def test_who_acknowledges_nothing_for_long_is_not_watched_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "PATIENCE", 0.2)
    with served() as server, server.websocket() as line:
        browser = Browser(line)
        browser.say(**OVERLAY)
        until(lambda: len(server.viewing.watches) == 1)
        for number in (1, 2):
            server.viewing.show(picture_of(number))
            browser.picture()
        until(lambda: not server.viewing.watches)
        server.viewing.show(picture_of(3))
        browser.say(ack=2)
        assert browser.picture()[0]["sec"] == 3
        assert len(server.viewing.watches) == 1


@pytest.mark.parametrize(
    "message",
    [
        *("", "nonsense", "[]", "7", '{"ack": 1}', '{"ack": -1}', '{"camera": 7}', "x" * 2000),
        *('{"camera": "", "layer": "none"}', '{"camera": "", "layer": []}', "[" * 1000),
        '{"camera": "", "plain": 1}',
    ],
)
def test_a_message_that_it_does_not_know_closes_it_in_words(server: Served, message: str) -> None:
    with server.websocket() as line, pytest.raises(ConnectionClosed) as closed:
        line.send(message)
        line.recv(PATIENCE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason


def test_it_ends_while_viewers_look() -> None:
    """served() fails where the server does not end."""
    with ExitStack() as stack:
        with served() as server:
            line = stack.enter_context(server.websocket())
            Browser(line).say(**OVERLAY)
            until(lambda: len(server.viewing.watches) == 1)
        with pytest.raises(ConnectionClosed):
            line.recv(PATIENCE)
        assert not server.viewing.watches
