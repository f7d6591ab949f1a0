"""Traces by OpenTelemetry. Imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set.

The instrumentation packages are not used: that of Django records URLs with their query, which may
hold a token, and none sees an introspection. No span has a path, a header or a value of a query.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service_kit import request_id

propagator = TraceContextTextMapPropagator()  # without the baggage of strangers


def span(name: str, kind: Any, attributes: dict[str, str], context: Any = None) -> Any:
    """Return a context manager that records its block, without an exception and its message."""
    return trace.get_tracer(__name__).start_as_current_span(
        name, context, kind, attributes, record_exception=False, set_status_on_exception=False
    )


@contextmanager
def request_span(method: str, headers: Mapping[str, str]) -> Iterator[Callable[..., None]]:
    """Record a request in the trace of its client; yield what takes its response."""
    attributes, context = {"http.request.method": method}, propagator.extract(headers)
    with span(method, SpanKind.SERVER, attributes, context) as current:

        def respond(status: int, identifier: str, route: str) -> None:
            current.update_name(f"{method} {route}".strip())
            values = {"http.response.status_code": status, "http.route": route}
            current.set_attributes({**values, "request_id": identifier})
            if status >= 500:
                current.set_status(trace.StatusCode.ERROR)

        yield respond


def query_span(vendor: str, sql: str) -> Any:
    """Record a query, with placeholders for its values, unless it is of a probe or a start."""
    if not trace.get_current_span().is_recording():
        return nullcontext()
    attributes = {"db.system.name": vendor, "db.query.text": sql}
    return span(sql.split(maxsplit=1)[0], SpanKind.CLIENT, attributes)


def trace_queries(connection: Any, **kwargs: Any) -> None:
    """Trace the queries of a connection of Django that was opened, perhaps again."""

    def execute(execute: Any, sql: Any, *arguments: Any) -> Any:
        with query_span(connection.vendor, str(sql)):
            return execute(sql, *arguments)

    if not connection.execute_wrappers:
        connection.execute_wrappers.append(execute)


class Traced:
    """What answers the requests to Django, with a span for each."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        # After the fork of a worker, because a thread sends the spans.
        os.environ.setdefault("OTEL_SERVICE_NAME", Path.cwd().name.replace("_", "-"))
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
        request_id.injectors.append(propagator.inject)
        connection_created.connect(trace_queries)

    def __call__(self, request: Any) -> Any:
        with request_span(request.method, request.headers) as respond:
            response = self.get_response(request)
            route = f"/{request.resolver_match.route}".rstrip("$") if request.resolver_match else ""
            respond(response.status_code, request.request_id, route)
        return response
