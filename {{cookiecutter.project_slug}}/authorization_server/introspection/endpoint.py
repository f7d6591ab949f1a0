"""The endpoint: read the request, run the query, judge, and respond."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

import msgspec
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from accounts import metrics
from audit.recording import record
from introspection.lookup import InThreads, Unavailable, look_up
from introspection.protocol import (
    BASIC,
    MAX_BODY_SIZE,
    Credentials,
    Question,
    Refused,
    Row,
    check_head,
    judge,
    parse_authorization,
    parse_token,
)
from service_kit import wsgi_bridge
from service_kit.request_id import HEADER, Identified
from service_kit.wsgi_bridge import ClientGone, Receive, Scope, Send, drain, read_body

LookUp: TypeAlias = Callable[[Question], Awaitable[Row | None]]
Read: TypeAlias = Callable[[int], Awaitable[bytes]]

HEADERS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
BODY_SECONDS = 5.0  # for a whole body, which resource servers send in one piece
# Looked up once: it takes as long as counting.
metric_of = cache(metrics.introspections.labels)
last_of = cache(metrics.last_introspection.labels)
LOG_INTERVAL = 1  # seconds between two refusals in the log
# Of a caller and a token that do not exist, by the way of all others.
PROBE = Question(Credentials(BASIC, ""), "")

logger = logging.getLogger("introspection")
_last_logged = float("-inf")


class Response(NamedTuple):
    """Status, headers and body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Endpoint:
    """The ASGI application of the endpoint. It makes one query at most for a request.

    It waits in the event loop, without a thread of Django; without Django's middleware for pages,
    an introspection takes a fifth of the CPU.
    """

    def __init__(self, look_up: LookUp | None = None) -> None:
        self._look_up = look_up

    async def look_up(self, question: Question) -> Row | None:
        """Return the row for `question`, on PostgreSQL without a thread."""
        if self._look_up is None:
            if connections["default"].vendor == "postgresql":
                # Here, because psycopg takes 8 MB.
                from introspection.postgresql import Pool

                self._look_up = Pool()
            else:
                self._look_up = InThreads()
        return await self._look_up(question)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (RFC 7662 section 2)."""
        headers = joined(scope["headers"])
        is_read = False

        async def read(limit: int) -> bytes:
            nonlocal is_read
            body = await read_body(scope, receive, limit, BODY_SECONDS)
            is_read = True
            return body

        with Identified(meta_of(scope, headers)) as identifier:
            try:
                response = await self.respond(scope, headers, read)
            except ClientGone:
                return
            except Exception as error:
                response = as_error(error, headers, scope["path"])
        response.headers.append((HEADER.encode(), identifier.encode()))
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": response.headers,
            }
        )
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})
        if not is_read and response.status != 408:
            await drain(receive)

    async def respond(self, scope: Scope, headers: Mapping[bytes, bytes], read: Read) -> Response:
        """Return the response to one request. `read` returns a body of at most so many bytes."""
        credentials = check_head(scope["method"], host_of(scope, headers), headers)
        question = Question(credentials, parse_token(await read(MAX_BODY_SIZE)))
        start = monotonic()
        return respond_to(question, await self.look_up(question), start)

    async def state(self) -> dict[str, str]:
        """Return whether introspections are answered, and open the connection for the first one."""
        try:
            await self.look_up(PROBE)
        except Unavailable as error:
            log(logging.ERROR, "The introspection endpoint is not ready: %s", error)
            return {"introspection": "does not answer"}
        return {"introspection": "ok"}


@csrf_exempt
def introspect(request: HttpRequest) -> HttpResponse:
    """Answer through Django. The metadata reverses the URL of this view."""
    headers = {
        name.lower().encode(): value.encode("latin-1", "replace")
        for name, value in request.headers.items()
    }
    host = request.META.get("HTTP_HOST") or request.META["SERVER_NAME"]
    try:
        credentials = check_head(request.method or "", host, headers)
        question = Question(credentials, parse_token(request.body))
        start = monotonic()
        response = respond_to(question, look_up(question), start)
    except Exception as error:
        response = as_error(error, headers, request.path)
    names = {name.decode(): value.decode() for name, value in response.headers}
    return HttpResponse(response.body, status=response.status, headers=names)


def respond_to(question: Question, row: Row | None, start: float) -> Response:
    """Return the response to a question that was asked at `start`, and count it."""
    content = judge(question, row)
    caller = row.resource_server if row else ""
    outcome = "active" if content["active"] else "inactive"
    metric_of(caller, outcome).observe(monotonic() - start)
    last_of(caller).set_to_current_time()
    return as_json(200, content)


def joined(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return header values by their names. Repeated ones are joined, so none of them is used."""
    fields = dict(headers)
    if len(fields) != len(headers):
        fields = {}
        for name, value in headers:
            fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


def host_of(scope: Scope, headers: Mapping[bytes, bytes]) -> str:
    """Return the Host header; with HTTP/1.0, which may have none, the address of this server."""
    host = headers.get(b"host")
    return host.decode("latin-1") if host else (scope.get("server") or ("",))[0]


def meta_of(scope: Scope, headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return what the log needs of META: the identifier of the request and the address."""
    return {
        "HTTP_X_REQUEST_ID": headers.get(b"x-request-id", b"").decode("latin-1"),
        "HTTP_X_FORWARDED_FOR": headers.get(b"x-forwarded-for", b"").decode("latin-1"),
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
    }


def as_json(status: int, content: Mapping[str, Any], *headers: tuple[str, str]) -> Response:
    """Return a JSON response that no cache stores; count one of an error."""
    if status >= 400:
        metrics.errors.labels(str(status)).inc()
    body = msgspec.json.encode(content)
    fields = [*HEADERS, (b"content-length", b"%d" % len(body))]
    fields += [(name.encode(), value.encode()) for name, value in headers]
    return Response(status, fields, body)


def as_error(error: Exception, headers: Mapping[bytes, bytes], path: str) -> Response:
    """Return the response for an exception at `path`, and log it."""
    if isinstance(error, wsgi_bridge.Refused):
        fields = error.headers.items()
        error = Refused(error.status, "invalid_request", str(error), *fields)
    if isinstance(error, Refused):
        log_refusal(error, headers, path)
        return as_json(error.status, error.body, *error.headers)
    if isinstance(error, Unavailable):
        log(logging.ERROR, "503 (%s); further errors in this second are not logged", error)
        description = "The database does not answer in time."
        content = {"error": "temporarily_unavailable", "error_description": description}
        return as_json(503, content, ("Retry-After", "1"))
    logger.error("500", exc_info=error)
    return as_json(500, {"error": "server_error"})


def log_refusal(refused: Refused, headers: Mapping[bytes, bytes], path: str) -> None:
    """Log a refusal; that of a caller is an event, with the client that it claims to be."""
    if refused.status != 401:
        message = "%d %s; further refusals in this second are not logged"
        log(logging.WARNING, message, refused.status, refused)
    else:
        credentials = parse_authorization(headers.get(b"authorization", b"").decode("latin-1"))
        client = credentials.key if credentials and credentials.scheme == BASIC else None
        error = refused.body["error"]
        record("introspection-refused", outcome=error, client_id=client, endpoint=path)


def log(level: int, message: str, *arguments: object) -> None:
    """Log one line a second at most: unauthenticated requests must not fill the log."""
    global _last_logged
    now = monotonic()
    if now - _last_logged >= LOG_INTERVAL:
        _last_logged = now
        logger.log(level, message, *arguments)
