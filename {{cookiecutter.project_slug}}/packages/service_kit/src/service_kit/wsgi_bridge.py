"""Serve a WSGI application, Django, behind an ASGI server: a pool of threads, and no thread waits.

A request takes a thread once its body is complete; a client that sends or reads slowly holds none.
More requests than threads wait in a line that is bounded in length and time, and leave it when
their client hangs up. The rest is answered 503.

a2wsgi is not used. It takes twice the CPU, runs requests with half a body, joins two cookies into
one, gives chunked bodies no length, and lets slow clients hold its threads.

The pieces of a streaming response may come from different threads, between other requests. A
response that streams rows must not depend on the database connection of one thread.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from io import BytesIO
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from django.conf import settings

from service_kit import IS_COMPLETE, metrics

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

BODY_SECONDS = 15.0  # for a whole body
# Bytes and seconds. A connection that is closed with unread bytes loses the response.
DRAIN_BYTES, DRAIN_SECONDS = 2**20, 2.0
SEND_SECONDS = 60.0  # for a client to take one piece of a response
MAX_WAITING = 256  # requests in the line for a thread
WAIT_SECONDS = 5.0  # for a request in that line
SWEEP_SECONDS = 0.05  # between two looks at the line
# Seconds between two requests that are held up, and the most that one of them is held. They go on
# together, every BEAT_SECONDS: the first finds cold caches, which costs four times as much.
PACE_SECONDS, HOLD_SECONDS, BEAT_SECONDS = 0.02, 1.0, 0.2
PIECE_SIZE = 64 * 1024  # bytes of a file


class Refused(Exception):
    """A request that is answered by an error of its own. `headers` are those of the response."""

    def __init__(self, status: int, description: str, **headers: str) -> None:
        super().__init__(description)
        self.status = status
        self.headers = headers


class ClientGone(Exception):
    """The client hung up before its request was complete, or before its turn came."""


async def read_body(scope: Scope, receive: Receive, limit: int, deadline: float) -> bytes:
    """Return the whole body of a request, chunked or not.

    Args:
        scope, receive: Those of the ASGI request.
        limit: Bytes of the longest body.
        deadline: Seconds for the whole body.

    Raises:
        Refused: The body is too long (413), too slow (408) or of an unknown coding (501).
        ClientGone: The client hung up before the end.
    """
    length = None
    is_chunked = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise Refused(501, "The transfer coding is not chunked.", Connection="close")
            is_chunked = True
    if not length and not is_chunked:
        return b""
    if length is not None and length > limit:
        raise too_long(limit)
    try:
        if scope.get(IS_COMPLETE):
            body = await _read(receive, limit)
        else:
            async with asyncio.timeout(deadline):
                body = await _read(receive, limit)
    except TimeoutError:
        raise Refused(408, "The body took too long.", Connection="close") from None
    if length not in (None, len(body)):
        raise ClientGone
    return body


async def _read(receive: Receive, limit: int) -> bytes:
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise too_long(limit)
        pieces.append(piece)
        more = message.get("more_body", False)
    return b"".join(pieces)


def too_long(limit: int) -> Refused:
    """Return the refusal of a body that has more than `limit` bytes."""
    return Refused(413, f"The body has more than {limit} bytes.", Connection="close")


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return the WSGI environment of an ASGI scope (PEP 3333), without a body.

    Names with ``_`` are dropped: they would equal those with ``-``. Repeated fields are joined.

    Raises:
        Refused: There are two Authorization fields, or the target is no path (400).
    """
    path, host = path_of(scope)
    server = scope.get("server") or ("", 0)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", ""),
        "PATH_INFO": path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or ""),
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": in_large_pieces,
    }
    for name, value in scope["headers"]:
        key, text = variable_of(name), value.decode("latin-1")
        if key is None:
            continue
        if key not in environ:
            environ[key] = text
        elif key == "HTTP_AUTHORIZATION":
            raise Refused(400, "The request has two Authorization headers.")
        else:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + text
    if host:  # RFC 9112 section 3.2.2
        environ["HTTP_HOST"] = host
    return environ


_VARIABLES: dict[bytes, str | None] = {
    b"content-type": "CONTENT_TYPE",
    # The body is decoded, and its length is known.
    b"content-length": None,
    b"transfer-encoding": None,
}


def variable_of(name: bytes) -> str | None:
    """Return the variable of a header name in lower case, None if the header is dropped."""
    if name in _VARIABLES:
        return _VARIABLES[name]
    if b"_" in name:
        return None
    variable = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
    if len(_VARIABLES) < 200:  # clients choose the names
        _VARIABLES[name] = variable
    return variable


def path_of(scope: Scope) -> tuple[str, str]:
    """Return PATH_INFO, whose bytes are read as latin-1, and the host of a target that has one."""
    target = scope.get("raw_path") or scope["path"].encode()
    host = b""
    if not target.startswith(b"/"):
        scheme, _, rest = target.partition(b"://")
        host, slash, path = rest.partition(b"/")
        if scheme.lower() not in (b"http", b"https") or not host:
            raise Refused(400, "The request target is not a path.")
        target = slash + path or b"/"
    return unquote_to_bytes(target).decode("latin-1"), host.decode("latin-1")


def in_large_pieces(file: Any, size: int = 0) -> FileWrapper:
    """Return the pieces of a file: each takes a thread for a moment."""
    return FileWrapper(file, PIECE_SIZE)


class Answer(NamedTuple):
    """What an application has returned. `rest` are the pieces of a stream after `body`."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    rest: Iterator[bytes] | None
    close: Callable[[], None]


def run(application: "WSGIApplication", environ: dict[str, Any]) -> Answer:
    """Run the application in this thread up to its whole body, or to the first piece of a stream.

    ``close()`` has been called where `rest` is None.
    """
    started: list[Any] = []
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        started[:] = [int(status[:3]), headers]
        return written.append

    response: Any = application(environ, start_response)
    close = getattr(response, "close", lambda: None)
    is_whole = getattr(response, "streaming", None) is False or type(response) in (list, tuple)
    rest = None
    try:
        if is_whole:
            body = b"".join(response)
        else:
            rest = iter(response)
            # PEP 3333: the headers follow the first piece that is not empty.
            body = next((piece for piece in rest if piece), b"")
        # Only now: a generator calls start_response when it is iterated.
        status, headers = started
    except BaseException:
        close()
        raise
    body = b"".join([*written, body])
    has_body = environ["REQUEST_METHOD"] != "HEAD" and status not in (204, 304)
    may_lack_length = not is_whole or status in (204, 304)
    if not may_lack_length and not any(name.lower() == "content-length" for name, _ in headers):
        headers = [*headers, ("Content-Length", str(len(body)))]
    if is_whole or not has_body:
        close()
        rest = None
    return Answer(status, headers, body if has_body else b"", rest, close)


class Threads:
    """A pool of threads, which are started on demand and kept: each has a database connection.

    concurrent.futures is not used: its futures cost more, and its threads delay the end of a
    process. All methods but `_work` belong to the event loop.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._started = self._pending = 0
        self._jobs: SimpleQueue[Job] = SimpleQueue()

    def submit(
        self, function: Callable[[], Any], ended: Callable[[], None] | None = None
    ) -> asyncio.Future[Any]:
        """Return the future result of `function()`, which is skipped if the future is cancelled.

        `ended()` is called in any case, when the thread is free again.
        """
        self._loop = asyncio.get_running_loop()
        job = Job(function, self._loop.create_future(), ended)
        self._pending += 1
        if self._started < min(self._size, self._pending):
            self._started += 1
            Thread(target=self._work, name=f"web-{self._started}", daemon=True).start()
        self._jobs.put(job)
        return job.future

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            result = error = None
            if not job.future.cancelled():
                try:
                    result = job.function()
                except BaseException as raised:
                    error = raised
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._finish, job, result, error)
            del job, result, error

    def _finish(self, job: "Job", result: Any, error: BaseException | None) -> None:
        self._pending -= 1
        if job.ended:
            job.ended()
        if job.future.cancelled():
            if isinstance(result, Answer) and result.rest is not None:
                self.submit(result.close)
        elif error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)


class Job(NamedTuple):
    """A function for a thread, and what becomes of its result."""

    function: Callable[[], Any]
    future: asyncio.Future[Any]
    ended: Callable[[], None] | None


class Client:
    """The client of one request, which may hang up."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watcher: asyncio.Task[None] | None = None

    def is_gone(self) -> bool:
        """Return whether the client hung up since the first call, which starts to watch it."""
        if self._watcher is None:
            # One for the whole request: gunicorn takes a client for gone once `receive()` has been
            # cancelled.
            self._watcher = asyncio.ensure_future(self._watch())
        return self._watcher.done()

    async def _watch(self) -> None:
        # A request without a body has one message before the end of its connection.
        while (await self._receive())["type"] == "http.request":
            pass

    def forget(self) -> None:
        """Stop watching."""
        if self._watcher:
            self._watcher.cancel()


class Line:
    """The requests that wait for one of `places`, first come, first served."""

    def __init__(self, places: int, length: int, seconds: float) -> None:
        self.free = places
        self.length, self.seconds = length, seconds
        self.turns: dict[asyncio.Future[None], tuple[float, Client]] = {}
        self._is_swept = False

    async def enter(self, client: Client) -> None:
        """Return when a place is taken; ``leave()`` frees it.

        Raises:
            Refused: The line is too long, or has taken too long (503).
            ClientGone: The client hung up.
        """
        if self.free:
            self.free -= 1
            return
        if len(self.turns) >= self.length:
            raise overloaded()
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self.turns[turn] = loop.time(), client
        if not self._is_swept:
            self._is_swept = True
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        try:
            await turn
        except asyncio.CancelledError:
            self.turns.pop(turn, None)
            if not turn.cancelled() and not turn.exception():
                self.leave()  # the turn came in the same moment
            raise

    def leave(self) -> None:
        """Give the place to the next request."""
        for turn in self.turns:
            del self.turns[turn]
            turn.set_result(None)
            return
        self.free += 1

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take those out of the line whose client is gone, or who have waited too long.

        Only those that wait here are watched, because a watcher costs more than a short wait.
        """
        for turn, (came, client) in list(self.turns.items()):
            if client.is_gone():
                turn.set_exception(ClientGone())
            elif loop.time() - came > self.seconds:
                turn.set_exception(overloaded())
            else:
                continue
            del self.turns[turn]
        self._is_swept = bool(self.turns)
        if self._is_swept:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)


def overloaded() -> Refused:
    """Return the refusal of a request for which no thread is free, and count it."""
    metrics.overloads.inc()
    return Refused(503, "The server is busy.", **{"Retry-After": "1"})


async def send_refusal(refused: Refused, receive: Receive, send: Send) -> None:
    """Send the response of a refused request, in the form of RFC 6749 section 5.2."""
    error = "temporarily_unavailable" if refused.status == 503 else "invalid_request"
    body = json.dumps({"error": error, "error_description": str(refused)}).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **refused.headers,
    }
    await start(send, refused.status, headers.items())
    await send({"type": "http.response.body", "body": body})
    if refused.status not in (408, 503):
        await drain(receive)


async def drain(receive: Receive) -> None:
    """Read what is left of a body, within bounds.

    A connection that is closed with unread bytes is reset, and its client may lose the response.
    """
    size, more = 0, True
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while more and size < DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                more = message.get("more_body", False)


async def start(send: Send, status: int, headers: Iterable[tuple[str, str]]) -> None:
    """Send the status and the headers of a response."""
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


class Routes:
    """An ASGI application that has other ones for some paths, and a default."""

    def __init__(self, paths: Mapping[str, Application], default: Application) -> None:
        self.paths, self.default = paths, default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":  # a web socket is refused by doing nothing
            await self.paths.get(scope["path"], self.default)(scope, receive, send)

    def stop(self) -> None:
        """Tell the applications that the process is about to end."""
        for application in self.paths.values():
            if stop := getattr(application, "stop", None):
                stop()


class WSGIBridge:
    """An ASGI application that runs `application` in threads.

    Args:
        application: The WSGI application, such as that of Django.
        threads: The number of threads.
        max_body: Bytes of the longest body.
        body_seconds: Seconds for a whole body.
        max_waiting: The number of requests that may wait for a thread.
        wait_seconds: Seconds for which one may wait.
        any_host: Whether any Host header will do: Prometheus addresses a container by its IP.
        is_held_up: Whether a request, of which it gets the headers, can hardly be answered at the
            moment. Such requests take a thread at intervals, because their clients ask again.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        *,
        threads: int,
        max_body: int,
        is_held_up: Callable[[Mapping[str, Any]], bool] = lambda environ: False,
        body_seconds: float = BODY_SECONDS,
        max_waiting: int = MAX_WAITING,
        wait_seconds: float = WAIT_SECONDS,
        any_host: bool = False,
    ) -> None:
        self.application, self.any_host = application, any_host
        self.max_body, self.body_seconds = max_body, body_seconds
        self.threads = Threads(threads)
        # Each thread has one more request at hand, and need not wait for the event loop.
        self.line = Line(2 * threads, max_waiting, wait_seconds)
        self.is_held_up, self.last_turn = is_held_up, 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # a web socket is refused thereby
        client, came = Client(receive), monotonic()
        try:
            environ = environ_of(scope)
            body = await read_body(scope, receive, self.max_body, self.body_seconds)
            if self.any_host:
                first = settings.ALLOWED_HOSTS[0]  # may be ".example.com", or "*"
                environ["HTTP_HOST"] = first.removeprefix(".").replace("*", "localhost")
            environ["CONTENT_LENGTH"], environ["wsgi.input"] = str(len(body)), BytesIO(body)
            if self.is_held_up(environ):
                await self.hold(client)
            await self.line.enter(client)
            answer = await self.threads.submit(
                partial(run, self.application, environ), self.line.leave
            )
            metrics.request_of(str(answer.status)).observe(monotonic() - came)
            await start(send, answer.status, answer.headers)
            if answer.rest is None:
                await send({"type": "http.response.body", "body": answer.body})
            else:
                await self.stream(answer, client, send)
        except Refused as refused:
            metrics.request_of(str(refused.status)).observe(monotonic() - came)
            await send_refusal(refused, receive, send)
        except ClientGone:
            pass
        finally:
            client.forget()

    async def hold(self, client: Client) -> None:
        """Wait for PACE_SECONDS after the last one that was held, but no longer than HOLD_SECONDS.

        What is left of the beat is added.

        Raises:
            ClientGone: The client hung up.
        """
        now = monotonic()
        self.last_turn = min(max(now, self.last_turn + PACE_SECONDS), now + HOLD_SECONDS)
        if self.last_turn > now:
            client.is_gone()
            await asyncio.sleep(self.last_turn - now + -self.last_turn % BEAT_SECONDS)
            if client.is_gone():
                raise ClientGone

    async def stream(self, answer: Answer, client: Client, send: Send) -> None:
        """Send the pieces of a response as they come, while the client takes them."""
        piece, pending = answer.body, None
        try:
            while piece is not None and not client.is_gone():
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                pending = self.threads.submit(partial(next, answer.rest, None))
                # A thread that works on the next piece is not interrupted.
                piece = await asyncio.shield(pending)
            await send({"type": "http.response.body", "body": b""})
        finally:
            if pending and not pending.done():
                pending.add_done_callback(lambda _: self.threads.submit(answer.close))
            else:
                self.threads.submit(answer.close)
