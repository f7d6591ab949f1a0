"""Health endpoints: liveness and readiness."""

import logging
from collections.abc import Callable
from functools import partial
from threading import Lock

from cachetools import TTLCache, cached
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from oauth_resource_server.conf import PerProcess
from oauth_resource_server.errors import (
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    KeySetInvalid,
    TokenValidationError,
)
from oauth_resource_server.issuers.issuer import Issuer
from oauth_resource_server.issuers.route import configured_issuers
from oauth_resource_server.responses import report

KEPT_SECONDS = 5

log = logging.getLogger(__name__)


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200: the process runs."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database answers and every issuer is configured correctly, else 503.

    An unreachable authorization server is not an error here: it would take every resource server
    out of service, although cached tokens still work.
    """
    parts = {"database": _database()}
    parts |= {name: state() for name, state in issuer_states().items()}
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
def issuer_states() -> dict[str, Callable[[], str]]:
    """Return by issuer name a function that probes the issuer, cached for KEPT_SECONDS."""

    def state_of(issuer: Issuer) -> Callable[[], str]:
        answers: TTLCache[object, str] = TTLCache(maxsize=1, ttl=KEPT_SECONDS)
        return cached(answers, lock=Lock())(partial(_ask, issuer))

    return {issuer.name: state_of(issuer) for issuer in configured_issuers().all}


def _ask(issuer: Issuer) -> str:
    try:
        issuer.probe()
    except TokenValidationError as error:
        report(error)
        if isinstance(error, AuthorizationServerUnavailable):
            return "unreachable"
        if isinstance(error, IntrospectionCredentialsRefused):
            return "refuses the credentials of this resource server; its log says more"
        if isinstance(error, KeySetInvalid):
            return "has no usable keys; the log of this resource server says more"
        return "does not follow RFC 7662; the log of this resource server says more"
    return "ok"
