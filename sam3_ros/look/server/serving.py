"""Runs the server until Ctrl-C or SIGTERM."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from sam3_ros.core.signals import end_signals, signals_handled
from sam3_ros.look.server.asgi import AsgiApp
from sam3_ros.look.server.listening import Listener
from sam3_ros.look.server.log import short_log
from sam3_ros.look.server.patient_http import PatientHttp

#: Bytes of one message of a websocket: NiceGUI's page refuses to send more, in words.
MOST_MESSAGE = 1024 * 1024
#: Bytes of a request's line and headers.
_MOST_HEADERS = 32 * 1024
#: Connections at once; a tab has two, and some more while it loads.
_MOST_CONNECTIONS = 512
#: Seconds for connections to end.
_PATIENCE = 2
#: Seconds within which signals are one wish.
_SAME_WISH = 1.0


class LookServer(uvicorn.Server):
    """uvicorn, with signals as in our other commands, and a word once it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        #: When the end was asked for first, s.
        self._asked: float | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    def end(self, *_: Any) -> None:
        """Take a signal: the first ends it in order, one that comes some time later at once.

        A launch file's children get two Ctrl-C for each: the terminal's and launch's own.
        """
        now = time.monotonic()
        if self._asked is None:
            self._asked = now
        self.force_exit = now - self._asked > _SAME_WISH
        self.should_exit = True


def serve(
    app: AsgiApp,
    listener: Listener,
    on_ready: Callable[[], None],
    on_made: Callable[[LookServer], object] | None = None,
) -> None:
    """Serve until a signal asks for the end, or LookServer.end. The listener is closed then.

    on_ready: called once, on the event loop, when the page can be had. on_made: gets the server
    before, for a caller in another thread than the main one, which has no signals.
    """
    config = uvicorn.Config(
        app,
        lifespan="on",
        http=PatientHttp,
        h11_max_incomplete_event_size=_MOST_HEADERS,
        ws_max_size=MOST_MESSAGE,
        # Pictures are compressed already; and no small message may unpack to a large one.
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_PATIENCE,
    )
    server = LookServer(config, on_ready)
    if on_made is not None:
        on_made(server)
    with short_log(), signals_handled(server.end, *end_signals()):
        server.run(sockets=[listener.socket])
