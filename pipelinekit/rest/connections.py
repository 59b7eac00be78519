"""Connections that nobody holds up: heads and bodies have to come in time, and answers have to be taken.

uvicorn itself ends a connection that is idle between two requests, and no other. A client that sends a byte now and
then, or does not read, would keep its connection for good, and a thousand of them would keep everybody else out.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0  # within which the head of a request has to be there, since the connection or its first byte
BODY_SECONDS = 45.0  # within which its body has to be there: more than the guard waits, which answers before it ends
STALL_SECONDS = 60.0  # in which a client has to take something of what is sent to it
_LATE = b'{"type": "pipelinekit:http", "title": "http", "status": 408, "detail": "the request did not come in time"}'


class Punctual(H11Protocol):
    """The protocol of uvicorn, with an end to what it would wait for without one."""

    _coming: asyncio.TimerHandle | None = None
    _part: object = None  # of a request, that is waited for
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=1)  # whatever is not taken shows; with 0 TLS would never go on
        self._await(h11.IDLE)

    def data_received(self, data: bytes) -> None:
        """Go on, and see what is waited for now."""
        super().data_received(data)
        self._await(self.conn.their_state)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._await(None)
        self._unwatch()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Something is sent faster than it is taken."""
        super().pause_writing()
        self._unwatch()
        self._watch()

    def resume_writing(self) -> None:
        """All of it was taken."""
        self._unwatch()
        super().resume_writing()

    def _await(self, part: object) -> None:
        """Have the connection end if a part of a request does not come in time; that is counted from its beginning."""
        if part is self._part:
            return
        if self._coming is not None:
            self._coming.cancel()
        self._coming, self._part = None, part
        if part is h11.IDLE:
            self._coming = self.loop.call_later(HEAD_SECONDS, self._give_up)
        elif part is h11.SEND_BODY:
            self._coming = self.loop.call_later(BODY_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            headers = [("content-type", "application/problem+json"), ("connection", "close")]
            for event in (h11.Response(status_code=408, headers=headers), h11.Data(data=_LATE), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(STALL_SECONDS, self._look, left)

    def _look(self, before: int) -> None:
        """End a connection whose client has taken nothing since the last look."""
        self._stalled = None
        left = self.transport.get_write_buffer_size()
        if left >= before > 0:
            self.transport.abort()
        elif left:
            self._watch()

    def _unwatch(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
