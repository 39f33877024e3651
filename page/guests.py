"""Connections of strangers: those that have not shown yet that they may use this server get little time and few places.

Uvicorn bounds how many connections there are, but waits without end for a request, for its body, and for its answer to
be taken. Whoever opens connections and says nothing would so keep everybody else out.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

GUEST_SECONDS = 20.0
"""After which a connection is closed if no request of it was let in."""
MOST_GUESTS = 128
"""Such connections at once; where another one comes, the oldest is closed. It is half of all that may be open."""
GUESTS = "guests"
CONNECTION = "connection"
"""The names in the state of a request: of all guests, and of its own connection."""


class Connection(H11Protocol):
    """A connection, which is a guest until a request of it is let in (`welcome`), also if it becomes a WebSocket."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # A dictionary, since that is in the order of coming. The state is the same for all connections of a server.
        self.guests: dict[Connection, None] = self.app_state.setdefault(GUESTS, {})
        self.app_state = {**self.app_state, CONNECTION: self}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin as a guest."""
        super().connection_made(transport)
        self.guests[self] = None
        self.loop.call_later(GUEST_SECONDS, self.close_guest)
        if len(self.guests) > MOST_GUESTS:
            next(iter(self.guests)).close_guest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be no guest any more."""
        self.guests.pop(self, None)
        super().connection_lost(exc)

    def close_guest(self) -> None:
        """Close it at once, with what was not taken yet, if it is still a guest."""
        if self in self.guests:
            del self.guests[self]
            self.transport.abort()


def welcome(scope: Scope) -> None:
    """Let the connection of a request stay: the request was one for those who are let in."""
    connection = scope.get("state", {}).get(CONNECTION)
    if isinstance(connection, Connection):
        connection.guests.pop(connection, None)
