"""HTTP that does not wait for ever for a request."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientHttp(H11Protocol):
    """uvicorn's, which by itself keeps a connection on which no whole request comes.

    Whoever opens as many of those as are allowed would lock out everybody else.
    """

    #: Within which the line and the headers of a request come, s.
    patience: ClassVar[float] = 10.0
    _awaited: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._await_request()
        super().on_response_complete()

    def _await_request(self) -> None:
        self._stop_waiting()
        self._awaited = self.loop.call_later(self.patience, self._end_if_none_came)

    def _stop_waiting(self) -> None:
        if self._awaited is not None:
            self._awaited.cancel()
            self._awaited = None

    def _end_if_none_came(self) -> None:
        # Of a websocket too h11 has seen the request.
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()
