"""Alternate between two pages of one server in turns of a tenth of a second.

The speed of a small machine changes within a second by more than the measured difference. `wrk`
runs for at least a second, so it would compare two states of the machine.
"""

import re
import selectors
import socket
import time
from urllib.parse import urlsplit

CONNECTIONS = 8
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Client:
    """Persistent connections to a server, with one pending request on each."""

    def __init__(self, url):
        parts = urlsplit(url)
        self._host = parts.netloc
        self._selector = selectors.DefaultSelector()
        self._sockets = [
            socket.create_connection((parts.hostname, parts.port), timeout=10)
            for _ in range(CONNECTIONS)
        ]
        for each in self._sockets:
            self._selector.register(each, selectors.EVENT_READ)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._selector.close()
        for each in self._sockets:
            each.close()

    def get(self, path, headers=None):
        """Return the bytes of a request for `path`."""
        fields = {"Host": self._host} | (headers or {})
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {fields[name]}" for name in fields)]
        return "\r\n".join([*lines, "", ""]).encode()

    def seconds(self, request, count):
        """Return the seconds that `count` responses to `request` take; exit if one is an error."""
        start = time.perf_counter()
        for each in self._sockets:
            each.sendall(request)
        unsent, pending = count - len(self._sockets), count
        while pending:
            for key, _ in self._selector.select():
                receive(key.fileobj)
                pending -= 1
                if unsent:
                    key.fileobj.sendall(request)
                    unsent -= 1
        return time.perf_counter() - start


def receive(connection):
    """Read one response."""
    response = b""
    while True:
        part = connection.recv(65536)
        response += part
        head, end, body = response.partition(b"\r\n\r\n")
        if not part or not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"Expected status 200, got {response[:200]!r}")
        length = LENGTH.search(head + b"\r\n") if end else None
        if length and len(body) >= int(length[1]):
            return
