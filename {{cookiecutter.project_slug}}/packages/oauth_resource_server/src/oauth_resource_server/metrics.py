"""What Prometheus can ask a resource server about its introspections; see `view`.

No token, no secret and no name of a person or client is a label: each has a handful of values. An
issuer is what its entry of the settings is called.
"""

import os
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import count

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from oauth_resource_server.conf import conf

CLOSED, HALF_OPEN, OPEN = 0, 1, 2
FORWARDING_HEADERS = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")


class Hundreds:
    """Counts like `counter`, a hundred at a time: a tenth of the cost, and at most 99 behind."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._number = count(1)

    def inc(self) -> None:
        """Count one more."""
        if not next(self._number) % 100:
            self._counter.inc(100)


_hits = Counter(
    "oauth_resource_server_cache_hits",
    "Tokens that needed no introspection: remembered in the process (active, inactive), shared "
    "with other processes, or used longer during an outage (stale)",
    ["level"],
)
# One object for each label, looked up once. The first of these is on the way of every request.
active_hits = Hundreds(_hits.labels("active"))
inactive_hits = _hits.labels("inactive")
shared_hits = _hits.labels("shared")
stale_hits = _hits.labels("stale")
misses = Counter("oauth_resource_server_cache_misses", "Tokens that were not remembered")
shared_flights = Counter(
    "oauth_resource_server_shared_flights", "Requests that waited for the introspection of another"
)
outcomes = Counter(
    "oauth_resource_server_outcomes",
    "What validation came to for plain views and for tokens that were not remembered as active: "
    "active, inactive, or the name of an error",
    ["outcome"],
)
seconds = Histogram(
    "oauth_resource_server_seconds",
    "From the question to the answer of the authorization server, or to giving up",
    ["issuer"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5),
)
key_set_fetches = Counter(
    "oauth_resource_server_key_set_fetches",
    "How often the keys of an issuer were asked for",
    ["issuer"],
)
breaker_state = Gauge(
    "oauth_resource_server_breaker_state",
    "Circuit breaker: 0 closed, 1 half-open (a probe is on its way), 2 open",
    ["issuer"],
    multiprocess_mode="max",
)


@require_safe
def view(request: HttpRequest) -> HttpResponse:
    """Answer all metrics of the process, in the text format of Prometheus.

    404 for a request from an address outside of ``METRICS_NETWORKS`` (default: loopback and private
    networks), and for any that a proxy has forwarded: what comes from the Internet comes that way.

    With more than one worker process each answers for itself, unless ``PROMETHEUS_MULTIPROC_DIR``
    is set, as prometheus_client's documentation says.
    """
    if not _is_allowed(request):
        raise Http404
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _is_allowed(request: HttpRequest) -> bool:
    if any(header in request.META for header in FORWARDING_HEADERS):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in ip_network(network) for network in conf().metrics_networks)
