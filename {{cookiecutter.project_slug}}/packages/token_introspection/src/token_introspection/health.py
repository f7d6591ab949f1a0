"""Health endpoints: whether the process runs, and whether it can do its work."""

import logging
from collections.abc import Callable
from threading import Lock

from cachetools import TTLCache, cached
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from token_introspection.answers import report
from token_introspection.conf import PerProcess
from token_introspection.errors import (
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    TokenIntrospectionError,
)
from token_introspection.issuer import configured_issuer

KEPT_SECONDS = 5
PROBE_TOKEN = "readiness-probe"  # noqa: S105

log = logging.getLogger(__name__)


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200: the process runs."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database answers and introspection is set up, otherwise 503, and say why.

    An authorization server that is down is no reason: it would take every resource server out of
    service at once, while tokens that are remembered still work.
    """
    parts = {"database": _database(), "authorization_server": authorization_server_state()()}
    is_ready = set(parts.values()) <= {"ok", "unreachable"}
    status = "ok" if is_ready else "not ready"
    return JsonResponse({"status": status, **parts}, status=200 if is_ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        log.error("The database does not answer: %s", error)
        return "does not answer"
    return "ok"


@PerProcess
def authorization_server_state() -> Callable[[], str]:
    """Return what asks the authorization server, and remembers its answer for KEPT_SECONDS."""
    answers: TTLCache[object, str] = TTLCache(maxsize=1, ttl=KEPT_SECONDS)
    return cached(answers, lock=Lock())(_ask)


def _ask() -> str:
    try:
        configured_issuer().introspect(PROBE_TOKEN)
    except TokenIntrospectionError as error:
        report(error)
        if isinstance(error, AuthorizationServerUnavailable):
            return "unreachable"
        if isinstance(error, IntrospectionCredentialsRefused):
            return "refuses the credentials of this resource server; its log says more"
        return "does not answer as RFC 7662 says; the log of this resource server says more"
    return "ok"
