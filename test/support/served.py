"""A guarded server in a thread of its own, with a feed, and a small page in place of NiceGUI's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx
from fed_viewing import FedViewing
from starlette.responses import FileResponse
from websockets.sync.client import ClientConnection, connect

from sam3_ros.look.server import serving
from sam3_ros.look.server.access import LookAccess
from sam3_ros.look.server.asgi import Receive, Scope, Send, answer
from sam3_ros.look.server.guard import Guard, Paces
from sam3_ros.look.server.listening import Listener, listen
from sam3_ros.look.server.page_app import FEED_PATH, FeedBeside

FILE = Path(__file__)
TOKEN = "a-token-of-the-tests-alone"
# To make one takes a tenth of a second. It keeps no cookies: a request has those that it is given.
_CLIENT = httpx.Client(trust_env=False)
_CLIENT.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))


async def small_page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with how many bytes came, or with a file; echo sizes of what comes by websocket."""
    if scope["type"] == "lifespan":
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})
        return
    if scope["type"] == "http" and scope["path"] == "/file":
        return await FileResponse(FILE)(scope, receive, send)
    if scope["type"] == "http":
        message = await receive()
        return await answer(scope, send, 200, str(len(message.get("body", b""))), "text/html")
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message.get("text") or ""))})


@dataclass
class Served:
    """A running server, and ways to ask it."""

    viewing: FedViewing
    listener: Listener

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.listener.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    def get(self, path: str = "/", **headers: str) -> httpx.Response:
        return _CLIENT.get(f"{self.origin}{path}", headers=headers)

    def post(self, path: str, content: bytes | str, **headers: str) -> httpx.Response:
        given = {"Origin": self.origin, **headers}
        return _CLIENT.post(f"{self.origin}{path}", content=content, headers=given)

    def cookie(self) -> str:
        """Sign in, and return what the browser sends from then on."""
        answer = self.post("/sign-in", TOKEN)
        assert answer.status_code == 204
        return answer.headers["set-cookie"].partition(";")[0]

    def websocket(self, path: str = FEED_PATH, **options: Any) -> ClientConnection:
        given: dict[str, Any] = {"origin": self.origin, "compression": None, **options}
        return connect(f"ws://{self.host}{path}", proxy=None, **given)


@contextmanager
def served(
    host: str = "127.0.0.1",
    token: str | None = None,
    public_url: str = "",
    paces: Paces | None = None,
) -> Iterator[Served]:
    """Serve while the block runs."""
    listener, viewing = listen(host, 0), FedViewing()
    app = Guard(FeedBeside(small_page, viewing), LookAccess.of(listener, token, public_url), paces)
    servers: list[serving.LookServer] = []
    ready = threading.Event()
    thread = threading.Thread(
        target=serving.serve, args=(app, listener, ready.set), kwargs={"on_made": servers.append}
    )
    thread.start()
    try:
        assert ready.wait(30)
        yield Served(viewing, listener)
    finally:
        servers[0].end()
        thread.join(30)
        assert not thread.is_alive()
