"""Strangers who hammer a server: ``python strangers.py KIND URL COUNT``, until SIGTERM.

The kind `polls` is no stranger, and needs credentials: a fourth argument.

A process of its own, so that its work does not slow down the client that measures. Each stranger
has a loopback address and a connection of its own, and sends the next request PAUSE after the
response to the last one. Without a pause, the row would measure which share of two cores the
strangers can take from the servers.
"""

import asyncio
import base64
import itertools
import json
import re
import secrets
import signal
import sys
from collections import Counter
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

PAUSE = 0.02  # seconds
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NUMBERS = itertools.count(1)


class Stranger:
    """One address with one persistent connection."""

    def __init__(self, number, url, counter):
        parts = urlsplit(url)
        self.address = f"127.0.1.{number}"
        self.host, self.port = parts.hostname, parts.port
        self.counter = counter
        self.writer = None

    async def send(self, method, path, headers=None, body=b"", length=None):
        """Send a request; return status, headers (bytes) and body.

        Args:
            length: Value of `Content-Length`, if it is not the length of `body`.
        """
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(
                self.host, self.port, local_addr=(self.address, 0)
            )
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if method == "POST":
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        content = await self.reader.readexactly(int(found[1])) if found else b""
        if re.search(rb"connection: *close", head, re.IGNORECASE):
            self.close()
        status = int(head.split()[1])
        self.counter[status] += 1
        return status, head, content

    def close(self):
        """Close the connection."""
        if self.writer:
            self.writer.close()
            self.writer = None

    async def hammer(self, act):
        """Repeat `act` until the process ends."""
        while True:
            try:
                await act(self)
            except (OSError, EOFError):
                self.counter["closed"] += 1
                self.close()
            await asyncio.sleep(PAUSE)


async def login(stranger):
    """Send a wrong password to the login form, for another account each time."""
    if not hasattr(stranger, "csrf"):
        _, head, page = await stranger.send("GET", "/accounts/login/")
        cookie = re.search(rb"set-cookie: *(\w*csrf\w*=[^;\s]+)", head, re.IGNORECASE)[1]
        token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
        stranger.csrf = cookie.decode(), token.decode()
    cookie, token = stranger.csrf
    form = {"login": f"stranger-{next(NUMBERS)}@example.com", "password": "wrong"}
    body = urlencode(form | {"csrfmiddlewaretoken": token}).encode()
    await stranger.send("POST", "/accounts/login/", FORM | {"Cookie": cookie}, body)


async def token(stranger):
    """Ask for a token with a wrong client secret."""
    pair = base64.b64encode(b"demo-machine:wrong").decode()
    body = b"grant_type=client_credentials&scope=orders:read"
    await stranger.send("POST", "/o/token/", FORM | {"Authorization": f"Basic {pair}"}, body)


async def ready(stranger):
    """Ask whether the server is ready."""
    await stranger.send("GET", "/health/ready")


async def bodies(stranger):
    """Announce a body of 1,000 bytes, send 10, and wait until the server gives up."""
    await stranger.send("POST", "/o/token/", FORM, b"grant_type", length=1000)
    stranger.close()


async def garbage(stranger):
    """Use a random token at a resource server."""
    header = {"Authorization": f"Bearer {secrets.token_urlsafe(32)}"}
    await stranger.send("GET", "/api/whoami/", header)


async def unknown(stranger):
    """Use a random token, and wait as long as a 503 says."""
    header = {"Authorization": f"Bearer {secrets.token_urlsafe(32)}"}
    _, head, _ = await stranger.send("GET", "/api/whoami/", header)
    seconds = re.search(rb"retry-after: *(\d+)", head, re.IGNORECASE)
    await asyncio.sleep(int(seconds[1]) if seconds else 0)


async def polls(stranger):
    """Poll for revocations, as each process of a resource server does."""
    headers = {"Authorization": f"Basic {sys.argv[4]}", "Content-Type": "application/json"}
    body = json.dumps({"position": getattr(stranger, "position", "")}).encode()
    _, _, answer = await stranger.send("POST", "/o/events/", headers, body)
    stranger.position = json.loads(answer)["position"]


KINDS = {
    "login": login,
    "token": token,
    "ready": ready,
    "bodies": bodies,
    "garbage": garbage,
    "polls": polls,
    "unknown": unknown,
    "unknown-at-once": garbage,
}


async def main(kind, url, count):
    """Run `count` strangers; print the number of responses by status at the end."""
    counter = Counter()
    strangers = [Stranger(number, url, counter) for number in range(1, int(count) + 1)]
    tasks = [asyncio.ensure_future(each.hammer(KINDS[kind])) for each in strangers]
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: [t.cancel() for t in tasks]
    )
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)
    print(json.dumps({kind: counter}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
