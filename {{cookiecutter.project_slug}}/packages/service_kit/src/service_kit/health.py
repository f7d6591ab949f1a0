"""``/health/live``: the process answers. ``/health/ready``: it can do its work.

The database is always checked. The setting HEALTH_CHECKS lists more checks by dotted path: each is
a callable without arguments that returns a mapping of part to state. A service is ready while every
state is "ok" or "unreachable"; it still answers some requests while a dependency is unreachable.
"""

import logging
from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.utils.module_loading import import_string

CACHE_SECONDS = 2
READY_STATES = {"ok", "unreachable"}

log = logging.getLogger(__name__)

Check = Callable[[], Mapping[str, str]]


class HealthMiddleware:
    """Answer ``/health/*`` for any Host header, because probes address a service by its IP.

    Must precede all middleware that reads the host or redirects to HTTPS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        checks: list[Check] = [import_string(path) for path in settings.HEALTH_CHECKS]
        self.states = CachedStates([DatabaseCheck(), *checks])

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info not in ("/health/live", "/health/ready"):
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        states = self.states() if request.path_info == "/health/ready" else {}
        is_ready = READY_STATES.issuperset(states.values())
        return JsonResponse(
            {"status": "ok" if is_ready else "not ready", **states},
            status=200 if is_ready else 503,
            headers={"Cache-Control": "no-store"},
        )


class CachedStates:
    """The states that all checks return, at most CACHE_SECONDS old.

    One thread at a time runs the checks. Others get the previous states in the meantime, so that a
    slow dependency blocks one thread only.
    """

    def __init__(self, checks: list[Check]) -> None:
        self.checks = checks
        self.states: dict[str, str] = {}
        self.expires = 0.0
        self.lock = Lock()

    def __call__(self) -> dict[str, str]:
        if monotonic() >= self.expires and self.lock.acquire(blocking=not self.states):
            try:
                if monotonic() >= self.expires:
                    self.states = {
                        part: state for check in self.checks for part, state in check().items()
                    }
                    self.expires = monotonic() + CACHE_SECONDS
            finally:
                self.lock.release()
        return self.states


class DatabaseCheck:
    """Check that the database answers and that no migration is missing.

    The plan of migrations is expensive. It is made until it was empty once.
    """

    is_migrated = False

    def __call__(self) -> dict[str, str]:
        try:
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
