"""A request's body, read before anybody works on it, and never more of it than the bound."""

from __future__ import annotations

import asyncio

from sam3_ros.look.server.asgi import Message, Receive

#: Bytes. Nothing that the page sends by HTTP is larger.
MOST_BODY = 64 * 1024
# What is read and thrown away of a larger one: most clients listen only once they have sent it all.
_MOST_THROWN_AWAY = 64 * 1024 * 1024
_PATIENCE = 20.0


class BodyError(Exception):
    """A body that is not taken; its text says why."""


async def whole_body(receive: Receive) -> bytes:
    """Return the body. Raises BodyError if it is too large, or too slow, or its sender has gone."""
    try:
        return await asyncio.wait_for(_read(receive), _PATIENCE)
    except asyncio.TimeoutError as error:
        raise BodyError(f"The request did not come whole within {_PATIENCE:g} s.") from error


async def _read(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BodyError("The sender has gone.")
        part = message.get("body", b"")
        size += len(part)
        if size <= MOST_BODY:
            parts.append(part)
        if not message.get("more_body") or size > _MOST_THROWN_AWAY:
            break
    if size > MOST_BODY:
        raise BodyError(f"At most {MOST_BODY // 1024} KiB are taken here; got {size} bytes.")
    return b"".join(parts)


def received_again(body: bytes, receive: Receive) -> Receive:
    """Return a receive() for an application that has yet to read the body."""
    is_read = False

    async def receive_again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
