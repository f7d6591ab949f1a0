"""Prometheus metrics that every service has, about the requests that Django answers."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)  # seconds

requests = Histogram(
    "service_request_seconds", "From a whole head to the response", ["status"], buckets=BUCKETS
)
# Looked up once: it takes as long as counting.
request_of = cache(requests.labels)
for _status in ("200", "500", "503"):
    request_of(_status)  # so that a rate sees the first error, too
credential_due = Gauge(
    "service_credential_due_timestamp_seconds",
    "Time at which a rotation is due",
    ["credential"],
    multiprocess_mode="mostrecent",
)
overloads = Counter("service_overloads", "Requests that were refused because no thread was free")
