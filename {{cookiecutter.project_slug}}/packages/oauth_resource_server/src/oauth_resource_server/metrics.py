"""Prometheus metrics of token validation, and the view that exposes them.

Labels have few values, and never hold a token, a secret, or the name of a person or client. The
label `issuer` is the name of an entry of the settings. REFERENCE.md explains each metric.
"""

import os
from ipaddress import ip_address, ip_network

import prometheus_client
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import Counter, Gauge, Histogram, multiprocess

from oauth_resource_server.conf import conf

CLOSED, HALF_OPEN, OPEN = 0, 1, 2
FORWARDING_HEADERS = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_", "HTTP_X_REAL_IP", "HTTP_VIA")

_hits = Counter("oauth_resource_server_cache_hits", "Tokens that were found in a cache", ["level"])
# Looked up once: `labels` takes longer than `inc`, and every request counts an active hit.
active_hits = _hits.labels("active")
inactive_hits = _hits.labels("inactive")
shared_hits = _hits.labels("shared")
stale_hits = _hits.labels("stale")
misses = Counter("oauth_resource_server_cache_misses", "Tokens that were not cached")
shared_flights = Counter("oauth_resource_server_shared_flights", "Requests that joined another")
outcomes = Counter("oauth_resource_server_outcomes", "Results of uncached tokens", ["outcome"])
# From the start, so that a rate has a value before and at the first of them.
for _outcome in (
    *("active", "inactive", "AuthorizationServerUnavailable", "AuthorizationServerSkipped"),
    *("IntrospectionCredentialsRefused", "IntrospectionResponseInvalid", "KeySetInvalid"),
    *("SigningKeyUnknown", "TooManyInvalidTokens"),
):
    outcomes.labels(_outcome)
seconds = Histogram(
    "oauth_resource_server_seconds",
    "Duration of introspection requests, failed ones included",
    ["issuer"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5),
)
key_set_fetches = Counter("oauth_resource_server_key_set_fetches", "Fetched key sets", ["issuer"])
breaker_state = Gauge(
    "oauth_resource_server_breaker_state",
    "Circuit breaker: 0 closed, 1 half-open, 2 open",
    ["issuer"],
    multiprocess_mode="livemax",  # not of a process that has ended
)

revocations = Counter("oauth_resource_server_revocations", "Reported revocations", ["kind"])
evictions = Counter("oauth_resource_server_evictions", "Cached tokens that were revoked")
revocation_seconds = Histogram(
    "oauth_resource_server_revocation_seconds",
    "Seconds from a revocation to its delivery, of the oldest one in each response",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
revocation_contact = Gauge(
    "oauth_resource_server_revocation_contact_timestamp_seconds",
    "Time of the last response of the authorization server about revocations",
    multiprocess_mode="livemin",
)


@require_safe
def view(request: HttpRequest) -> HttpResponse:
    """Return all metrics of the process in the text format of Prometheus.

    Answers 404 unless the request has ``METRICS_TOKEN`` as its bearer token. Without that setting,
    it must come from ``METRICS_NETWORKS`` (none by default) and through no proxy that says so.
    With ``PROMETHEUS_MULTIPROC_DIR`` the metrics are those of all worker processes.
    """
    if not _is_allowed(request):
        raise Http404
    registry = prometheus_client.REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = prometheus_client.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    text = prometheus_client.generate_latest(registry)
    return HttpResponse(text, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def _is_allowed(request: HttpRequest) -> bool:
    if token := conf().metrics_token:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
    if any(name.startswith(FORWARDING_HEADERS) for name in request.META):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ip_network(network) for network in conf().metrics_networks)
