"""The endpoint of resource servers: a long poll that holds no thread and no database connection.

A request is JSON with words of RFC 8936: ``position`` (of the last response, absent at first),
``maxEvents`` and ``returnImmediately``. The response has a new ``position``, the dead ``tokens``
(SHA-256 in hexadecimal), the ``clients`` (client_id) whose tokens are to be asked about again,
``reset`` (events may be missing: forget every token), ``moreAvailable``, ``delay``, the age of the
oldest of these events in seconds, and ``live``, the seconds for which the caller may count on its
knowledge. A resource server gets the events of tokens that
were good for it.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping
from time import monotonic
from typing import Any

import msgspec
from django.utils import timezone

from accounts import metrics
from client_registry.manifests import ResourceServer
from introspection.endpoint import Endpoint, Read, Response, as_json, host_of
from introspection.protocol import (
    Credentials,
    Question,
    Refused,
    authenticate,
    check_head,
    unauthenticated,
)
from revocation_events.models import Event
from revocation_events.stream import News, Position, Stream
from service_kit.wsgi_bridge import Scope

PATH = "/o/events/"
CONTENT_TYPE = "application/json"
WAIT_SECONDS = 5.0  # less than the read time-out of a proxy
LIVE_SECONDS = 8
MAX_EVENTS = 1000
MAX_BODY = 1024  # bytes
MAX_POLLS = 200  # of one resource server that wait in this process
TRUSTED_SECONDS = 30.0  # for which credentials are not verified again


class Poll(msgspec.Struct):
    """The body of a request."""

    position: str = ""
    max_events: int = msgspec.field(default=MAX_EVENTS, name="maxEvents")
    return_immediately: bool = msgspec.field(default=False, name="returnImmediately")


class Events(Endpoint):
    """The ASGI application of the endpoint."""

    def __init__(self, stream: Stream, introspection: Endpoint) -> None:
        super().__init__(introspection.look_up)
        self.stream = stream
        self.polls: Counter[str] = Counter()
        self.trusted: dict[bytes, tuple[float, ResourceServer]] = {}
        self.is_stopping = False

    async def respond(self, scope: Scope, headers: Mapping[bytes, bytes], read: Read) -> Response:
        """Return the response to one request, after a wait if there is nothing new."""
        host = host_of(scope, headers)
        credentials = check_head(scope["method"], host, headers, content_type=CONTENT_TYPE)
        server = await self.caller(credentials)
        body = await read(MAX_BODY)
        try:
            poll = msgspec.json.decode(body or b"{}", type=Poll)
        except (msgspec.DecodeError, RecursionError):
            raise Refused(400, "invalid_request", "The body is not a poll in JSON.") from None
        if self.polls[server.name] >= MAX_POLLS:
            raise Refused(429, "slow_down", "Too many polls wait.", ("Retry-After", "5"))
        self.polls[server.name] += 1
        try:
            return await self.news(server, poll)
        finally:
            self.polls[server.name] -= 1

    async def caller(self, credentials: Credentials) -> ResourceServer:
        """Return the resource server with these credentials; the database is asked now and then.

        Raises:
            Refused: They are wrong.
        """
        key = hashlib.sha256("\0".join(credentials).encode()).digest()
        until, server = self.trusted.get(key, (0.0, None))
        if server and monotonic() < until:
            return server
        server = authenticate(credentials, await self.look_up(Question(credentials, "")))
        if server is None:
            self.trusted.pop(key, None)
            raise unauthenticated(credentials.scheme)
        if len(self.trusted) > 1000:
            self.trusted.clear()
        self.trusted[key] = monotonic() + TRUSTED_SECONDS, server
        return server

    async def news(self, server: ResourceServer, poll: Poll) -> Response:
        """Wait until there is something new, at most WAIT_SECONDS."""
        stream, position = self.stream, Position.parse(poll.position)
        stream.start()
        limit = max(1, min(poll.max_events, MAX_EVENTS))
        ends = monotonic() + WAIT_SECONDS
        while True:
            change = stream.next_change()
            if stream.is_ready:
                news = stream.news(position, server.name, limit)
                is_over = poll.return_immediately or self.is_stopping or monotonic() >= ends
                if news.events or news.reset or is_over:
                    change.cancel()
                    metrics.events_delivered.labels(server.name).inc(len(news.events))
                    return as_json(200, as_members(news))
                position = news.position
            await asyncio.wait([change], timeout=max(0.0, ends - monotonic()))
            change.cancel()
            if monotonic() >= ends and not stream.is_ready:
                content = {"error": "temporarily_unavailable"}
                return as_json(503, content, ("Retry-After", "1"))

    def stop(self) -> None:
        """Answer the requests that wait: the process is about to end."""
        self.is_stopping = True
        self.stream.wake()


def as_members(news: News) -> dict[str, Any]:
    """Return the members of a response."""

    def values(kind: Event.Kind) -> list[str]:
        return list(dict.fromkeys(event.value for event in news.events if event.kind == kind))

    now, delay = timezone.now(), 0.0
    if news.events:
        delay = max((now - event.created).total_seconds() for event in news.events)
        metrics.event_age.observe(delay)
    return {
        "position": str(news.position),
        "live": LIVE_SECONDS,
        "tokens": values(Event.Kind.TOKEN),
        "clients": values(Event.Kind.CLIENT),
        "reset": news.reset or bool(values(Event.Kind.RESET)),
        "moreAvailable": news.more,
        "delay": delay,
    }
