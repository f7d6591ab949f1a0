"""Prometheus metrics, and the view that exposes them. docs/operations.md lists them.

Labels have few values, and never hold a token, a secret, or the name of a person or client.
"""

import json
import os
from contextlib import suppress
from time import monotonic

import prometheus_client
from django.conf import settings
from django.db import Error, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from oauth2_provider.models import AccessToken
from oauth2_provider.settings import oauth2_settings
from prometheus_client import Counter, Gauge, Histogram, multiprocess

FORWARDING_HEADERS = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_", "HTTP_X_REAL_IP", "HTTP_VIA")
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
COUNT_SECONDS = 60.0

introspections = Histogram(
    "authorization_server_introspection_seconds",
    "Duration of introspections, by the resource server that asked and the outcome",
    ["resource_server", "outcome"],
    buckets=BUCKETS,
)
errors = Counter(
    "authorization_server_resource_server_errors",
    "Error responses to introspections and to polls for revocation events, by status",
    ["status"],
)
client_requests = Histogram(
    "authorization_server_client_request_seconds",
    "Duration of requests of clients; `outcome` is ok, or the error code of the response",
    ["endpoint", "grant_type", "outcome"],
    buckets=BUCKETS,
)
security_events = Counter(
    "authorization_server_security_events", "Lines of the logger `security`", ["event"]
)
tokens = Gauge(
    "authorization_server_tokens",
    "Access tokens that have not expired; NaN if counting them takes more than a second",
    multiprocess_mode="mostrecent",
)
events_raised = Counter(
    "authorization_server_revocation_events", "Revocation events, by what they name", ["kind"]
)
events_delivered = Counter(
    "authorization_server_revocation_events_delivered",
    "Revocation events in responses to polls, once for each process of a resource server",
    ["resource_server"],
)
event_age = Histogram(
    "authorization_server_revocation_event_age_seconds",
    "Age of the oldest revocation event in a response",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
_counted_at = float("-inf")


def observe_client_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Count a request to an endpoint of clients."""
    endpoint = request.resolver_match.url_name if request.resolver_match else ""
    grant_type, outcome = request.POST.get("grant_type", ""), "ok"
    if grant_type not in oauth2_settings.OAUTH2_GRANT_TYPES_SUPPORTED:
        grant_type = ""
    if response.status_code >= 400:
        outcome = str(response.status_code)
        with suppress(ValueError):  # no JSON
            outcome = json.loads(response.content)["error"]
    client_requests.labels(endpoint, grant_type, outcome).observe(seconds)


@require_safe
def view(request: HttpRequest) -> HttpResponse:
    """Return the metrics of this process, with PROMETHEUS_MULTIPROC_DIR those of all processes.

    Answers 404 unless the request has METRICS_TOKEN as its bearer token.
    """
    if not is_allowed(request):
        raise Http404
    count_tokens()
    registry = prometheus_client.REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = prometheus_client.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    text = prometheus_client.generate_latest(registry)
    return HttpResponse(text, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def is_allowed(request: HttpRequest) -> bool:
    """Return whether a request has the token; without one, whether it is from this machine."""
    if token := settings.METRICS_TOKEN:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
    is_forwarded = any(name.startswith(FORWARDING_HEADERS) for name in request.META)
    is_local = request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1")
    return is_local and not is_forwarded and not settings.PRODUCTION


def count_tokens() -> None:
    """Count the tokens again, once a minute at most: no index helps."""
    global _counted_at
    if monotonic() - _counted_at < COUNT_SECONDS:
        return
    _counted_at = monotonic()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL statement_timeout = 1000")
            tokens.set(AccessToken.objects.filter(expires__gt=timezone.now()).count())
    except Error:
        tokens.set(float("nan"))
