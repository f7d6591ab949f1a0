"""Prometheus metrics, and the view that exposes them. docs/observability.md lists them.

Labels have few values, and never hold a token, a secret, or the name of a person or client.
"""

import json
import os
from contextlib import suppress
from functools import partial

import prometheus_client
from django.conf import settings
from django.core.cache import cache
from django.db import Error, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from oauth2_provider.models import AccessToken
from oauth2_provider.settings import oauth2_settings
from prometheus_client import Counter, Gauge, Histogram, multiprocess

from audit import chain, recording

FORWARDING_HEADERS = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_", "HTTP_X_REAL_IP", "HTTP_VIA")
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)
COUNT_SECONDS = 60  # between two counts of the tokens: no index helps

seconds = partial(Histogram, namespace="authorization_server", buckets=BUCKETS)
count = partial(Counter, namespace="authorization_server")
introspections = seconds("introspection_seconds", "Introspections", ["resource_server", "outcome"])
LAST_INTROSPECTION = "authorization_server_introspection_timestamp_seconds"
last_introspection = Gauge(
    LAST_INTROSPECTION, "Time of the last one", ["resource_server"], multiprocess_mode="mostrecent"
)
errors = count("resource_server_errors", "Errors in responses to resource servers", ["status"])
client_requests = seconds(
    "client_request_seconds", "Requests of clients", ["endpoint", "grant_type", "outcome"]
)
events_raised = count("revocation_events", "Revocation events", ["kind"])
events_delivered = count("revocation_events_delivered", "Reported ones", ["resource_server"])
event_age = seconds("revocation_event_age_seconds", "Age of the oldest event in a response")
tokens = Gauge("authorization_server_tokens", "Access tokens alive", multiprocess_mode="mostrecent")
BEHIND = "Age of the oldest event that is not sealed"
unsealed = Gauge("authorization_server_unsealed_seconds", BEHIND, multiprocess_mode="mostrecent")
errors.labels("401"), errors.labels("503")  # so that a rate sees the first one, too
for _event in ("sign-in", "sign-in-failed", "sign-in-limited", "client-refused", "token-reused"):
    recording.counter.labels(_event)


def observe_client_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Count a request to an endpoint of clients."""
    endpoint = request.resolver_match.url_name if request.resolver_match else ""
    grant_type = request.POST.get("grant_type", "")
    if grant_type not in oauth2_settings.OAUTH2_GRANT_TYPES_SUPPORTED:
        grant_type = ""
    client_requests.labels(endpoint, grant_type, outcome_of(response)).observe(seconds)


def outcome_of(response: HttpResponse) -> str:
    """Return "ok", or the error code in a response to a client."""
    if response.status_code < 400:
        return "ok"
    with suppress(ValueError):  # no JSON
        return str(json.loads(response.content)["error"])
    return str(response.status_code)


@require_safe
def view(request: HttpRequest) -> HttpResponse:
    """Return the metrics of this process, with PROMETHEUS_MULTIPROC_DIR those of all processes.

    Answers 404 unless the request has METRICS_TOKEN as its bearer token.
    """
    if not is_allowed(request):
        raise Http404
    tokens.set(float("nan"))
    unsealed.set(float("nan"))
    with suppress(Error):  # the database is away; the other values are still of use
        tokens.set(cache.get_or_set("access_tokens", count_tokens, COUNT_SECONDS) or 0)
        unsealed.set(chain.seconds_behind() if settings.AUDIT_DAYS else 0)
    text = prometheus_client.generate_latest(registry())
    return HttpResponse(text, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def registry() -> prometheus_client.CollectorRegistry:
    """Return the metrics of all processes of this service."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return prometheus_client.REGISTRY
    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def is_allowed(request: HttpRequest) -> bool:
    """Return whether a request has the token; without one, whether it is from this machine."""
    if token := settings.METRICS_TOKEN:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
    is_forwarded = any(name.startswith(FORWARDING_HEADERS) for name in request.META)
    is_local = request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1")
    return is_local and not is_forwarded and not settings.PRODUCTION


def count_tokens() -> float:
    """Return the number of tokens that have not expired, NaN if counting takes over a second."""
    with suppress(Error), transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL statement_timeout = 1000")
        return AccessToken.objects.filter(expires__gt=timezone.now()).count()
    return float("nan")
