"""Traces by OpenTelemetry. Imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set.

The instrumentation packages are not used: that of Django records URLs with their query, which may
hold a token, and none sees an introspection. No span has a path, a header or a value of a query.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.signals import connection_created

from service_kit import request_id

try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    raise ImproperlyConfigured(
        'OTEL_EXPORTER_OTLP_ENDPOINT needs "opentelemetry" in default-groups of pyproject.toml; '
        "then run `make install`."
    ) from None

# traceparent and tracestate. The baggage of strangers is not passed on.
propagator = TraceContextTextMapPropagator()
tracer = trace.get_tracer(__name__)  # of the provider that `start` sets


def start() -> None:
    """Send spans from now on. A thread does, so this belongs behind the fork of a worker."""
    name = os.environ.get("OTEL_SERVICE_NAME") or Path.cwd().name.replace("_", "-")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    request_id.injectors.append(propagator.inject)
    connection_created.connect(trace_queries)


def span(name: str, kind: Any, attributes: dict[str, str], context: Any = None) -> Any:
    """Return a context manager that records its block, without an exception and its message."""
    return tracer.start_as_current_span(
        name, context, kind, attributes, record_exception=False, set_status_on_exception=False
    )


@contextmanager
def request_span(method: str, headers: Mapping[str, str]) -> Iterator[Callable[..., None]]:
    """Record a request in the trace of its client; yield what takes its response."""
    context = propagator.extract(headers)
    with span(method, SpanKind.SERVER, {"http.request.method": method}, context) as current:

        def respond(status: int, identifier: str, route: str) -> None:
            current.update_name(f"{method} {route}".strip())
            values = {"http.route": route, "request_id": identifier}
            current.set_attributes({"http.response.status_code": status, **values})
            if status >= 500:
                current.set_status(trace.StatusCode.ERROR)

        yield respond


@contextmanager
def query_span(vendor: str, sql: str) -> Iterator[None]:
    """Record a query of a request, with placeholders for its values."""
    if not trace.get_current_span().is_recording():  # of a probe, or at the start
        yield
        return
    attributes = {"db.system.name": vendor, "db.query.text": sql}
    with span(sql.split(maxsplit=1)[0], SpanKind.CLIENT, attributes):
        yield


def trace_queries(connection: Any, **kwargs: Any) -> None:
    """Trace the queries of a connection of Django that was opened."""
    if execute not in connection.execute_wrappers:
        connection.execute_wrappers.append(execute)


def execute(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    with query_span(context["connection"].vendor, str(sql)):
        return execute(sql, params, many, context)


class TracingMiddleware:
    """Trace each request to Django. Must be the first entry of MIDDLEWARE."""

    def __init__(self, get_response: Any) -> None:
        start()
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        with request_span(request.method, request.headers) as respond:
            response = self.get_response(request)
            route = f"/{request.resolver_match.route}".rstrip("$") if request.resolver_match else ""
            respond(response.status_code, response[request_id.HEADER], route)
        return response
