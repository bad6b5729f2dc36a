"""ASGI's forms, as far as they are used here, and a response in words.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

HTTP_RESPONSE = "websocket.http.response"
TEXT = "text/plain; charset=utf-8"


def header(scope: Scope, name: str) -> str:
    """Return a header of a request, empty if it is not there; of several the first."""
    wanted = name.lower().encode()
    for key, value in scope["headers"]:
        if key.lower() == wanted:
            return bytes(value).decode("latin-1")
    return ""


def headers_named(scope: Scope, name: str) -> int:
    """Return how often a header is there."""
    wanted = name.lower().encode()
    return sum(key.lower() == wanted for key, _ in scope["headers"])


async def answer(
    scope: Scope,
    send: Send,
    status: int,
    body: str = "",
    media_type: str = TEXT,
    headers: Headers = (),
) -> None:
    """Answer a request, or a websocket that is not opened, with a short text."""
    content = body.encode()
    kind = HTTP_RESPONSE if scope["type"] == "websocket" else "http.response"
    if kind == HTTP_RESPONSE and HTTP_RESPONSE not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": body[:120]})
        return
    own = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": f"{kind}.start", "status": status, "headers": [*own, *headers]})
    await send({"type": f"{kind}.body", "body": content})
