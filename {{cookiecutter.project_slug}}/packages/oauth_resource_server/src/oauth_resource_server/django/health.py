"""The state of each issuer, for the health endpoints of a project."""

from collections.abc import Callable
from functools import partial
from threading import Lock

from cachetools import TTLCache, cached
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from oauth_resource_server import errors
from oauth_resource_server.conf import PerProcess, conf
from oauth_resource_server.issuers.issuer import Issuer
from oauth_resource_server.issuers.route import configured_issuers
from oauth_resource_server.responses import report
from oauth_resource_server.validation import process_state

KEPT_SECONDS = 5


def issuer_states() -> dict[str, str]:
    """Return by the name of each issuer "ok", "unreachable" or what is wrong; cached."""
    states = {name: probe() for name, probe in _probes().items()}
    if conf().revocation_events_url and (receiver := process_state().receiver):
        states["revocations"] = "ok" if receiver.is_live else "unreachable"
    return states


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 with `issuer_states`, or 503 if one is neither "ok" nor "unreachable".

    While an authorization server is down, cached tokens are still accepted, so the resource server
    stays in service.
    """
    states = issuer_states()
    is_ready = {"ok", "unreachable"}.issuperset(states.values())
    status = "ok" if is_ready else "not ready"
    return JsonResponse({"status": status, **states}, status=200 if is_ready else 503)


@PerProcess
def _probes() -> dict[str, Callable[[], str]]:
    return {
        one.name: cached(TTLCache(1, KEPT_SECONDS), lock=Lock())(partial(_state_of, one))
        for one in configured_issuers().all
    }


def _state_of(issuer: Issuer) -> str:
    try:
        issuer.probe()
    except errors.TokenValidationError as error:
        report(error)
        if isinstance(error, errors.AuthorizationServerUnavailable):
            return "unreachable"
        if isinstance(error, errors.IntrospectionCredentialsRefused):
            return "refuses the credentials of this resource server; see its log"
        if isinstance(error, errors.KeySetInvalid):
            return "has no usable keys; see the log of this resource server"
        return "does not answer as RFC 7662 requires; see the log of this resource server"
    return "ok"
