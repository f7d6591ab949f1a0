"""``/health/live``: the process answers. ``/health/ready``: it can do its work.

The database is always checked. The setting HEALTH_CHECKS lists more checks by dotted path: each is
a callable without arguments that returns a mapping of part to state. A service is ready while every
state is "ok" or "unreachable"; it still answers some requests while a dependency is unreachable.
A service that starts waits for its dependencies, for a while.

Both are answered on the event loop in front of Django, for any Host header, because probes address
a service by its IP. The checks have a thread of their own, so that they need no free thread.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import TypeAlias

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string

from service_kit.wsgi_bridge import Receive, Scope, Send, Threads

LIVE, READY = "/health/live", "/health/ready"
CACHE_SECONDS = 2
CHECK_SECONDS = 15  # for all checks; an issuer that is silent takes three
READY_STATES = {"ok", "unreachable"}

log = logging.getLogger(__name__)

States: TypeAlias = Mapping[str, str]


class Health:
    """The ASGI application at `LIVE` and `READY`.

    Args:
        serving: The threads that serve requests: the first of them connects to the database before
            the service is ready.
        checks: Coroutine functions that return states, besides the functions of HEALTH_CHECKS.
        threads: What runs the functions; None is a thread.
        patience: Seconds for which a service that starts is not ready while a dependency was never
            reached. A new container may have no way to others for some seconds.
    """

    def __init__(
        self,
        serving: Threads,
        *checks: Callable[[], Awaitable[States]],
        threads: Threads | None = None,
        patience: float = 0,
    ) -> None:
        self.patient_until = monotonic() + patience
        self.serving, self.threads = serving, threads or Threads(1)
        self.functions = [DatabaseCheck(), *map(import_string, settings.HEALTH_CHECKS)]
        self.states = CachedStates([self.in_thread, *checks])
        self.is_connected = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        states: States = {}
        if scope["method"] not in ("GET", "HEAD"):
            status, allowed = 405, [(b"allow", b"GET, HEAD")]
        else:
            states = await self.states() if scope["path"] == READY else {}
            status, allowed = 200 if self.are_ready(states) else 503, []
        text = {200: "ok", 405: "method not allowed"}.get(status, "not ready")
        body = json.dumps({"status": text, **states}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
            *allowed,
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body})

    def are_ready(self, states: States) -> bool:
        """Return whether a service in these states can do its work."""
        if states and "unreachable" not in states.values():
            self.patient_until = 0  # Everything was reached once.
        is_starting = "unreachable" in states.values() and monotonic() < self.patient_until
        return READY_STATES.issuperset(states.values()) and not is_starting

    async def in_thread(self) -> States:
        """Return the states of all functions."""
        states: States = await self.threads.submit(self.states_of_functions)
        if states["database"] == "ok" and not self.is_connected:
            await self.serving.submit(lambda: connection.ensure_connection())
            self.is_connected = True
        return states

    def states_of_functions(self) -> States:
        return {part: state for each in self.functions for part, state in each().items()}


class CachedStates:
    """The states that all checks return, at most CACHE_SECONDS old.

    One request at a time runs the checks. Others get the previous states in the meantime, so that a
    slow dependency delays one request only.
    """

    def __init__(self, checks: list[Callable[[], Awaitable[States]]]) -> None:
        self.checks = checks
        self.states: States = {}
        self.expires = 0.0
        self.running: asyncio.Task[None] | None = None

    async def __call__(self) -> States:
        if self.running is None and monotonic() >= self.expires:
            self.running = asyncio.create_task(self.run())
            await asyncio.shield(self.running)
        elif self.running and not self.states:
            await asyncio.shield(self.running)
        return self.states

    async def run(self) -> None:
        """Run the checks."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                states = [await check() for check in self.checks]
            self.states = {part: state for each in states for part, state in each.items()}
        except TimeoutError:
            log.error("The checks of %s take more than %s s.", READY, CHECK_SECONDS)
            self.states = {"checks": "take too long"}
        except Exception:
            log.exception("A check of %s fails", READY)
            self.states = {"checks": "fail; see the log of this service"}
        finally:
            self.expires = monotonic() + CACHE_SECONDS
            self.running = None


class DatabaseCheck:
    """Check that the database answers and that no migration is missing.

    The plan of migrations is expensive. It is made until it was empty once.
    """

    is_migrated = False

    def __call__(self) -> States:
        try:
            if not connection.in_atomic_block:
                # Django does the same where a request begins, but none begins in this thread.
                connection.close_if_unusable_or_obsolete()
            if self.is_migrated:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            else:
                executor = MigrationExecutor(connection)
                self.is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        except Error as error:
            log.error("The database does not answer: %s", error)
            return {"database": "does not answer"}
        return {"database": "ok" if self.is_migrated else "lacks migrations"}
