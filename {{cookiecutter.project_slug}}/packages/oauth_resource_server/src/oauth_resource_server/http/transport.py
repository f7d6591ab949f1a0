"""Deadlines for urllib3, whose own timeout limits only the silence between two bytes."""

import http.client
import io
import socket
from http.client import RemoteDisconnected
from math import inf
from typing import Any

from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ProtocolError

from oauth_resource_server.resilience.deadline import remaining


class _Reader(io.RawIOBase):
    """Reads from a socket until the deadline of the current request."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._silence = sock.gettimeout() or inf
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        seconds = remaining()
        if seconds <= 0:
            raise TimeoutError("timed out: the deadline has passed")
        limit = min(seconds, self._silence)
        self._sock.settimeout(None if limit == inf else limit)
        try:
            size = self._raw.readinto(buffer)
        except ConnectionResetError as error:
            if not self._received:
                raise RemoteDisconnected("Remote end closed connection without response") from error
            raise
        self._received += size or 0
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


def obey_deadlines(pool: HTTPConnectionPool) -> None:
    """Make the connections of `pool` keep the deadline of `resilience.deadline`."""
    pool.ConnectionCls = type("Connection", (pool.ConnectionCls,), {"response_class": _Response})


def is_unanswered(error: ProtocolError) -> bool:
    """Return whether the server closed the connection before the first byte of a response."""
    return isinstance(error.args[-1], RemoteDisconnected | BrokenPipeError)
