"""Ask one server for two pages in turns of a tenth of a second.

The speed of a small machine changes from one second to the next, by more than what is measured.
`wrk` runs for a second at least, so between two runs it sees the machine and not the pages.
"""

import re
import selectors
import socket
import time
from urllib.parse import urlsplit

CONNECTIONS = 8
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Client:
    """Some connections to a server that stay open, with a request on each of them at any time."""

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
        """Return how long `count` answers to `request` take; exit when one is an error."""
        start = time.perf_counter()
        for each in self._sockets:
            each.sendall(request)
        to_send, to_come = count - len(self._sockets), count
        while to_come:
            for key, _ in self._selector.select():
                receive(key.fileobj)
                to_come -= 1
                if to_send:
                    key.fileobj.sendall(request)
                    to_send -= 1
        return time.perf_counter() - start


def receive(connection):
    """Read one answer."""
    answer = b""
    while True:
        part = connection.recv(65536)
        answer += part
        head, end, body = answer.partition(b"\r\n\r\n")
        if not part or not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"An answer with an error: {answer[:200]!r}")
        length = LENGTH.search(head + b"\r\n") if end else None
        if length and len(body) >= int(length[1]):
            return
