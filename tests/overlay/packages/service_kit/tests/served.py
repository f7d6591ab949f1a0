"""A service for the tests of the server: `application`, which gunicorn serves.

WSGI, behind the bridge:

    /echo              the request as JSON
    /wait              holds a thread until the gate is opened
    /stream            two pieces; the second one when the gate is open
    /endless           pieces of 64 KiB until its client is gone
    /write             a body that is written by `write()`
    /refuse/REASON     a refusal
    /event             a refusal with a security event
    /late              a generator that calls `start_response` when it is iterated
    /raise, /break     an exception before the response, and within a stream

Beside the bridge, without a thread:

    /native/open       opens the gate once its body is complete, /native/shut shuts it
    /native/counts     how often things have happened, as JSON
"""

import json
import logging
import os
import threading
from collections import Counter

from service_kit.request_id import HEADER, Identified
from service_kit.wsgi_bridge import WSGIBridge

LIMIT = 1000
logging.basicConfig(format="%(message)s")
gate = threading.Event()
counts = Counter()


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    shown = {name: value for name, value in environ.items() if isinstance(value, str)}
    content = json.dumps(shown | {"body": body.decode("latin-1")}).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [content]


def wait(environ, start_response):
    counts["waiting"] += 1
    gate.wait(60)
    start_response("200 OK", [])
    return [b"waited"]


class Closing:
    """An iterable response whose end is counted."""

    def __init__(self, pieces):
        self.pieces = pieces

    def __iter__(self):
        return self.pieces

    def close(self):
        counts["closed"] += 1


def stream(environ, start_response):
    def pieces():
        yield b"first"
        gate.wait(60)
        yield b"second"

    start_response("200 OK", [])
    return Closing(pieces())


def endless(environ, start_response):
    def pieces():
        while True:
            counts["pieces"] += 1
            yield b"x" * 65536

    start_response("200 OK", [])
    return Closing(pieces())


def write(environ, start_response):
    start_response("200 OK", [])(b"written ")
    return [b"and returned"]


def late(environ, start_response):
    start_response("201 Created", [])
    yield b""
    yield b"late"


def fail(environ, start_response):
    raise ValueError("before the response")


def break_off(environ, start_response):
    def pieces():
        yield b"first"
        raise ValueError("within a stream")

    start_response("200 OK", [])
    return Closing(pieces())


REFUSALS = {
    "challenge": ("401 Unauthorized", {"WWW-Authenticate": 'Bearer error="invalid_token"'}, b""),
    "no_token": ("401 Unauthorized", {"WWW-Authenticate": "Bearer"}, b""),
    "json": ("401 Unauthorized", {"WWW-Authenticate": "Basic"}, b'{"error": "invalid_client"}'),
    "pending": ("400 Bad Request", {}, b'{"error": "authorization_pending"}'),
    "redirect": ("302 Found", {"Location": "https://app/?error=access_denied&state=a"}, b""),
}


def refuse(environ, start_response):
    status, headers, body = REFUSALS[environ["PATH_INFO"].rpartition("/")[2]]
    start_response(status, list(headers.items()))
    return [body]


def event(environ, start_response):
    with Identified(environ) as identifier:
        logging.getLogger("security").warning("client-refused client=b")
    start_response("401 Unauthorized", [(HEADER, identifier)])
    return [b""]


PATHS = {
    "/event": event,
    "/echo": echo,
    "/wait": wait,
    "/stream": stream,
    "/endless": endless,
    "/write": write,
    "/late": late,
    "/raise": fail,
    "/break": break_off,
}


def wsgi(environ, start_response):
    counts["requests"] += 1
    path = environ["PATH_INFO"]
    default = refuse if path.startswith("/refuse/") else echo
    return PATHS.get(path, default)(environ, start_response)


bridge = WSGIBridge(
    wsgi,
    threads=2,
    max_body=LIMIT,
    body_seconds=float(os.environ.get("BODY_SECONDS", "30")),
    max_waiting=4,
    wait_seconds=float(os.environ.get("WAIT_SECONDS", "30")),
)


async def application(scope, receive, send):
    if scope["type"] != "http" or not scope["path"].startswith("/native/"):
        await bridge(scope, receive, send)
        return
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/native/open":
        gate.set()
    elif scope["path"] == "/native/shut":
        gate.clear()
    line = {"line": len(bridge.line.turns), "free": bridge.line.free}
    state = dict(counts) | line | {"pid": os.getpid()}
    body = json.dumps(state).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
