"""Pictures to one viewer over a websocket, as fast as that viewer takes them.

The browser says what it wants to see, `{"camera": "front", "layer": "overlay", "plain": false}`
(camera null for nothing), and `{"ack": 7}` once it has shown picture 7. Two pictures at most are on
their way; then the newest one is sent at the next acknowledgement. So nothing queues, and a slow
line costs nobody else anything. A picture is one binary message: a head's length (4 bytes, big
endian), the head (JSON), the encoded image, and the plain image if the view has one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from sam3_ros.look.server.asgi import Receive, Send
from sam3_ros.look.server.newest import NewestPictures, WatchedView
from sam3_ros.look.viewing import PictureLayer, View

_ON_THE_WAY = 2
#: Seconds without an acknowledgement after which a viewer counts as not looking.
PATIENCE = 5.0
_LONGEST_WISH = 1024
_POLICY_VIOLATION = 1008


class WishError(Exception):
    """A message of a viewer that the feed does not know; its text says why."""


class Feed:
    """One viewer's pictures."""

    def __init__(
        self,
        pictures: NewestPictures,
        send: Callable[[bytes], Awaitable[None]],
        patience: float,
    ) -> None:
        self._pictures, self._send, self._patience = pictures, send, patience
        self._view: View | None = None
        self._watched: WatchedView | None = None
        self._end_watch: Callable[[], None] = lambda: None
        #: By the viewer's count.
        self._sent = self._acknowledged = 0
        #: The picture that was sent last, by the view's count.
        self._last = 0
        self._changed = asyncio.Event()

    def wish(self, text: str) -> None:
        """Take what the viewer says. Raises WishError."""
        wish = _wish(text)
        if isinstance(wish, int):
            if not self._acknowledged <= wish <= self._sent:
                raise WishError(f"picture {wish} was not sent, or is acknowledged already")
            self._acknowledged = wish
        elif wish != self._view:
            self.close()
            self._view = wish
        self._look()
        self._changed.set()

    def _look(self) -> None:
        if self._view is not None and self._watched is None:
            self._watched, self._end_watch = self._pictures.watch(self._view)
            self._last = 0  # a new watch counts anew

    def close(self) -> None:
        """Watch nothing any more."""
        self._end_watch()
        self._watched, self._end_watch = None, lambda: None

    async def run(self) -> None:
        """Send pictures until this task is cancelled."""
        while True:
            self._changed.clear()
            if self._watched is None:
                await self._changed.wait()
            elif self._sent - self._acknowledged >= _ON_THE_WAY:
                await self._wait_for_acknowledgement()
            else:
                await self._send_next(self._watched)

    async def _wait_for_acknowledgement(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), self._patience)
        except asyncio.TimeoutError:
            self.close()

    async def _send_next(self, watched: WatchedView) -> None:
        newer = asyncio.ensure_future(watched.newer_than(self._last))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((newer, changed), return_when=asyncio.FIRST_COMPLETED)
            if newer.done() and watched is self._watched:
                picture = newer.result()
                self._last, self._sent = picture.number, self._sent + 1
                await self._send(picture.packed(self._sent))
        finally:
            newer.cancel()
            changed.cancel()


async def feed(pictures: NewestPictures, receive: Receive, send: Send) -> None:
    """Serve one websocket, from its opening to its end."""
    await receive()  # the wish to connect
    await send({"type": "websocket.accept"})

    async def send_bytes(data: bytes) -> None:
        await send({"type": "websocket.send", "bytes": data})

    feed = Feed(pictures, send_bytes, PATIENCE)
    tasks = [asyncio.ensure_future(each) for each in (_take_wishes(feed, receive), feed.run())]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in ended:
            each.result()
    except WishError as error:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": str(error)})
    except OSError:
        return  # the viewer has gone while a picture was on its way
    finally:
        feed.close()
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _take_wishes(feed: Feed, receive: Receive) -> None:
    """Take what a viewer says until it has gone. Raises WishError."""
    while (message := await receive())["type"] == "websocket.receive":
        feed.wish(message.get("text") or "")


def _wish(text: str) -> int | View | None:
    """Return the number of an acknowledged picture, or the view that is wanted; None for none."""
    expected = 'expected {"camera", "layer", "plain"} or {"ack"}'
    if len(text) > _LONGEST_WISH:
        raise WishError(f"{expected}; got {len(text)} characters")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WishError(f"{expected} as JSON") from error
    if not isinstance(given, dict):
        raise WishError(expected)
    number = given.get("ack")
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    camera, layer = given.get("camera", ""), given.get("layer", PictureLayer.OVERLAY.value)
    if camera is None:
        return None
    layers = {each.value: each for each in PictureLayer}
    plain = given.get("plain", False)
    if not (isinstance(camera, str) and isinstance(layer, str) and isinstance(plain, bool)):
        raise WishError(expected)
    if layer not in layers:
        raise WishError(f"expected as layer one of {', '.join(layers)}; got another one")
    return View(camera, layers[layer], plain)
