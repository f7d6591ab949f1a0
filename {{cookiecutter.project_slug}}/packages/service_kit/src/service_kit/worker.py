"""gunicorn's `asgi` worker, with what it lacks at 27.0.1.

It has no deadline for the head of a request, accepts one without Host, enforces no limit of
connections, waits at a stop for connections that are idle, and a restart after a change of the code
misses some changes. The names that are overridden here are no public API: gunicorn is pinned, and
raw sockets test each of them.
"""

import asyncio
import gc
import logging
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from glob import glob
from math import inf
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from gunicorn import glogging
from gunicorn.arbiter import Arbiter
from gunicorn.asgi import protocol as gunicorn_protocol
from gunicorn.asgi.parser import InvalidHeader, PythonProtocol
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from service_kit import IS_COMPLETE, env

HEAD_SECONDS = 10.0  # for the head of the first request of a connection
POLL_SECONDS = 1.0  # between two looks at the files that are watched
IGNORED = ("__pycache__", "node_modules")
QUIET = ("/health/", "/o/events/", "/static/")  # probes, polls and files: logged when they fail
IDENTIFIER = b"x-request-id"
# The code of an error: in a challenge (RFC 6750), in a redirect or in JSON (RFC 6749).
EXPLAINING = (b"www-authenticate", b"location")
SECURITY = ("security", "django.security")
PENDING = "authorization_pending"  # a device asks every five seconds (RFC 8628)
ERROR = re.compile(rb'\berror"?[=:] ?"?([a-z_]+)')

log = logging.getLogger(__name__)


class Parser(PythonProtocol):  # type: ignore[misc]
    """gunicorn's parser in Python, which looks at each byte by itself: at a JWT for 15 µs."""

    is_method = re.compile(rb"[!$%&'*+.^_`|~0-9A-Z-]{3,20}").fullmatch
    is_token = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110 section 5.6.2
    control = bytes([*range(9), *range(10, 32), 127])

    def _is_valid_method(self, method: bytes) -> bool:
        return self.is_method(method) is not None

    def _is_valid_token(self, data: bytes) -> bool:
        return self.is_token(data) is not None

    def _has_invalid_header_chars(self, value: bytes) -> bool:
        return len(value.translate(None, self.control)) != len(value)


class Protocol(ASGIProtocol):  # type: ignore[misc]
    """One connection, with a deadline for its first head and a limit of their number.

    Later heads are in time while the connection is kept alive: their bytes do not prolong it.
    """

    deadline: asyncio.TimerHandle | None = None
    idle_at = inf  # the time since which it waits for another request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline, or refuse the connection."""
        super().connection_made(transport)
        self.worker.protocols.add(self)
        if len(self.worker.protocols) <= self.cfg.worker_connections:
            self.deadline = self.worker.loop.call_later(HEAD_SECONDS, self.close_idle)
            return
        self._send_error_response(503, "Too many connections.", [("Retry-After", "1")])
        self.close_idle()

    def _on_headers_complete(self) -> Any:
        self.cancel_deadline()
        parser = self._callback_parser
        # gunicorn_h1c has the names in lower case elsewhere.
        headers = getattr(parser, "asgi_headers", None) or parser.headers
        if parser.http_version > (1, 0) and b"host" not in dict(headers):
            raise InvalidHeader("The Host header is missing.")  # RFC 9112 section 3.2
        return super()._on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.cancel_deadline()
        self.worker.protocols.discard(self)
        super().connection_lost(exc)

    async def _serve_http_request(self, request: Any, sockname: Any, peername: Any) -> Any:
        # gunicorn runs each request in one more task, for applications that go on after a response.
        return await self._handle_http_request(request, sockname, peername)

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Any:
        scope = super()._build_http_scope(request, sockname, peername)
        # Such a request needs no deadline for its body: a timer costs more than the reading.
        scope[IS_COMPLETE] = self._body_receiver._complete
        return scope

    def _arm_keepalive_timer(self) -> None:
        # One look a second at all connections costs less than a timer for each request.
        self.idle_at = monotonic()

    def cancel_deadline(self) -> None:
        """Stop the deadline: a request has come, or the connection has ended."""
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None

    def close_idle(self) -> None:
        """Close the connection, which waits for a request."""
        self._keepalive_timeout()


# The cache of what gunicorn_h1c offers belongs to the class on which this is called.
ASGIProtocol._check_h1c_protocol_available()
gasgi.ASGIProtocol = Protocol
gunicorn_protocol.PythonProtocol = Parser


class Watcher(Thread):
    """Calls back once, when a file has changed since the watcher was made.

    gunicorn's reloader looks at modules only, and misses a change during the start of the service.
    Polling also sees the changes in folders that a container mounts.

    Args:
        paths: Folders, with everything below them, and patterns of files.
        callback: Called in this thread.
    """

    def __init__(self, paths: list[str], callback: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.paths, self.callback = paths, callback
        self.before = self.snapshot()

    def run(self) -> None:
        """Wait for a change."""
        while self.snapshot() == self.before:
            time.sleep(POLL_SECONDS)
        self.callback()

    def snapshot(self) -> dict[str, int]:
        """Return the time of the last change of each file."""
        times = {}
        for name in self.names():
            with suppress(OSError):  # it has just been removed
                times[name] = os.stat(name).st_mtime_ns
        return times

    def names(self) -> Iterator[str]:
        """Yield the files that are watched."""
        for path in self.paths:
            yield from glob(path)
            for folder, folders, files in os.walk(path):
                folders[:] = [name for name in folders if name[0] != "." and name not in IGNORED]
                for name in files:
                    if name[0] != "." and not name.endswith((".pyc", "~")):
                        yield os.path.join(folder, name)


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]
    """A process that serves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.protocols: set[Protocol] = set()
        self.application: Any = None

    def load_wsgi(self) -> None:
        """Import the application.

        Settings that are wrong are reported in one sentence. With the restarts of development, an
        application that cannot be imported answers with its error until a file changes.
        """
        watched = self.cfg.reload_extra_files
        if watched:
            Watcher(watched, self.restart).start()
        try:
            self.asgi = self.app.wsgi()
            is_logged = env.flag("WEB_ACCESS_LOG")
        except Exception as error:
            is_explained = isinstance(error, ImproperlyConfigured)
            sentence = f"{error} (manage.py check --traceback shows where.)"
            if watched:
                self.log.error(sentence, exc_info=not is_explained)
                self.asgi = self._make_error_app(repr(error))
                return
            if is_explained:
                self.log.error(sentence)
                sys.exit(Arbiter.APP_LOAD_ERROR)
            raise
        # What has been imported lives as long as the process: no collection looks at it again.
        gc.freeze()
        self.application = self.asgi
        if is_logged:
            self.asgi = AccessLog(self.asgi)
        # Before the first start, `make run` looks.
        if watched and self.age > self.cfg.workers:
            Thread(target=report_missing_migration, daemon=True).start()

    def notify(self) -> None:
        """Close connections that are idle for too long. gunicorn calls this each second."""
        super().notify()
        idle_at = monotonic() - self.cfg.keepalive
        for protocol in list(self.protocols):
            if protocol._awaiting_request and protocol.idle_at < idle_at:
                protocol.close_idle()

    def restart(self) -> None:
        """End gracefully, from any thread: gunicorn starts another process."""
        self.loop.call_soon_threadsafe(self.handle_exit_signal)

    async def _serve(self) -> None:
        self.main = asyncio.current_task()
        await super()._serve()

    def handle_exit_signal(self) -> None:
        """Begin to stop gracefully, without the second that gunicorn may take to look."""
        self.wake(super().handle_exit_signal)

    def handle_quit_signal(self) -> None:
        """Stop without finishing the requests."""
        self.wake(super().handle_quit_signal)

    def wake(self, handle: Callable[[], None]) -> None:
        """Handle a signal, and end the wait between two heartbeats."""
        is_serving = self.alive and self.servers
        handle()
        if is_serving and self.main:
            self.main.cancel()

    async def _shutdown(self) -> None:
        for server in self.servers:
            server.close()
        for protocol in list(self.protocols):
            if protocol._awaiting_request:
                protocol.close_idle()
        # Requests that wait for news are answered.
        if stop := getattr(self.application, "stop", None):
            stop()
        await super()._shutdown()


class Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's, for development: `make run` writes the time of each line."""

    error_fmt = "%(levelname)s gunicorn: %(message)s"


def report_missing_migration() -> None:
    """Log which command the models or the database need, before a request fails with 500."""
    from django.core.management import CommandError, call_command
    from django.db import connections

    checks = {
        "makemigrations --check --dry-run --no-input": "A model has changed, but has no migration",
        "migrate --check": "A migration is not applied",
    }
    for check, problem in checks.items():
        command, *options = check.split()
        try:
            call_command(command, *options, verbosity=0)
        except SystemExit:
            manage = Path.cwd() / "manage.py"
            log.warning("%s: run `%s %s %s`.", problem, sys.executable, manage, command)
        except CommandError as error:  # Two migrations follow the same one.
            log.warning(" ".join(str(error).split()))
            break
    connections.close_all()


class AccessLog:
    """Write a line for each response, without the query, which may hold a token.

    A refusal has its reason, and in development the line has the security events of the request.
    gunicorn's own log costs as much as an introspection.
    """

    def __init__(self, application: Any) -> None:
        self.application = application
        self.events: defaultdict[bytes, str] = defaultdict(str)  # of requests without a response
        if os.environ.get("ENVIRONMENT") == "development":
            for handler in logging.getLogger().handlers:
                handler.addFilter(self.is_shown)

    def is_shown(self, record: logging.LogRecord) -> bool:
        """Return false for a security event of a request, and keep it for the line of that one."""
        from service_kit.request_id import current_id  # gunicorn's own process needs no Django

        identifier = current_id().encode()
        if not identifier or not record.name.startswith(SECURITY):
            return True
        self.events[identifier] += f"; {record.getMessage()}"
        return False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        status, reason, events, start = 0, "", "", monotonic()

        async def noting(message: Any) -> None:
            nonlocal status, reason, events
            said = message.get("body", b"")[:1000]
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {name.lower(): value for name, value in message["headers"]}
                said = b" ".join(headers.get(name, b"") for name in EXPLAINING)
                # RFC 6750 section 3.1: a request without a token gets no code.
                reason = " no token" if status == 401 else ""
                events = self.events.pop(headers.get(IDENTIFIER, b""), "")
            if status >= 300 and (match := ERROR.search(said)):
                reason = f" {match[1].decode()}"
            await send(message)

        try:
            await self.application(scope, receive, noting)
        finally:
            path = scope["raw_path"].decode("latin-1")
            is_quiet = path.startswith(QUIET) and 0 < status < 400
            if not (is_quiet or PENDING in reason):
                request = f"{scope['method']} {path} {status or '-'}{reason}"
                with suppress(OSError):  # a full disk is no reason to close the connection
                    sys.stdout.write(f"{request} {(monotonic() - start) * 1000:.1f} ms{events}\n")
                    sys.stdout.flush()
