"""Judges a request before the page sees it: for whom it is, from where, how large, how often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from sam3_ros.look.server.access import LookAccess
from sam3_ros.look.server.allowance import Allowance, AllowanceOfEach
from sam3_ros.look.server.asgi import (
    AsgiApp,
    Message,
    Receive,
    Scope,
    Send,
    answer,
    header,
    headers_named,
)
from sam3_ros.look.server.body import BodyError, received_again, whole_body
from sam3_ros.look.server.headers import with_safety
from sam3_ros.look.server.sign_in import SIGN_IN_PATH, sign_in, sign_in_page


@dataclass(frozen=True)
class AllowedPace:
    """So many at once, then so many a second."""

    a_second: float
    at_once: int

    def allowance(self) -> Allowance:
        return Allowance(self.a_second, self.at_once)


@dataclass(frozen=True)
class Paces:
    """How often somebody may do what."""

    #: Requests of one address; a page that is opened makes some 40.
    requests: AllowedPace = AllowedPace(100.0, 600)
    #: Pages of one address: each is kept until its browser has gone.
    pages: AllowedPace = AllowedPace(2.0, 40)
    #: Messages of one websocket; what comes faster waits its turn in the sender's machine.
    messages: AllowedPace = AllowedPace(100.0, 200)


_SAFE_METHODS = ("GET", "HEAD")
# A proxy that is told to may name a path in front of ours; nobody else may.
_DROPPED = (b"x-forwarded-prefix",)


class Guard:
    """An ASGI application in front of another one."""

    def __init__(self, app: AsgiApp, access: LookAccess, paces: Paces | None = None) -> None:
        # By this name NiceGUI finds its own server.
        self.app = app
        self._access, self._paces = access, paces or Paces()
        self._requests = AllowanceOfEach(self._paces.requests.allowance)
        self._pages = AllowanceOfEach(self._paces.pages.allowance)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by itself, or let the application behind it answer."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        host = header(scope, "host")

        async def send_safely(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message["headers"] = with_safety(message.get("headers", ()), host)
            await send(message)

        refusal = self._refusal(scope, host)
        if refusal is not None:
            status, words = refusal
            if scope["type"] == "websocket":
                await receive()  # the wish to connect
            return await answer(scope, send_safely, status, words + "\n")
        if scope["type"] == "websocket":
            return await self._websocket(scope, receive, send_safely)
        await self._http(scope, receive, send_safely)

    def _refusal(self, scope: Scope, host: str) -> tuple[HTTPStatus, str] | None:
        """Return why a request is refused, whoever sends it; None if it is not."""
        if headers_named(scope, "host") != 1 or not self._access.is_own_host(host):
            return HTTPStatus.MISDIRECTED_REQUEST, (
                "This page does not answer under that name. Open it as sam3-ros look has printed "
                "it; a name of your own is given by --public-url."
            )
        if not self._requests.take(_address(scope)):
            return HTTPStatus.TOO_MANY_REQUESTS, "Too many requests: wait some seconds."
        origin = header(scope, "origin")
        if origin and not self._access.is_own_origin(origin, host):
            return HTTPStatus.FORBIDDEN, "A page of another site may not ask here."
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if changes and not origin:
            return HTTPStatus.FORBIDDEN, "The header Origin is missing; browsers send it."
        return None

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await whole_body(receive)
        except BodyError as error:
            return await answer(scope, send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{error}\n")
        if scope["path"] == SIGN_IN_PATH and self._access.token is not None:
            return await sign_in(scope, body, send, self._access)
        if not self._access.is_signed_in(header(scope, "cookie")):
            return await sign_in_page(scope, send)
        if scope["path"] == "/" and not self._pages.take(_address(scope)):
            words = "Too many pages were opened: wait some seconds.\n"
            return await answer(scope, send, HTTPStatus.TOO_MANY_REQUESTS, words)
        await self.app(_without_dropped(scope), received_again(body, receive), send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._access.is_signed_in(header(scope, "cookie")):
            await receive()
            return await answer(scope, send, HTTPStatus.UNAUTHORIZED, "Sign in first.\n")
        allowance = self._paces.messages.allowance()

        async def receive_in_turn() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and (wait := allowance.owe()):
                await asyncio.sleep(wait)
            return message

        await self.app(_without_dropped(scope), receive_in_turn, send)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _without_dropped(scope: Scope) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _DROPPED]
    return {**scope, "headers": headers}
