"""One identifier per request: in the response, every log line and requests to other services.

django-guid is not used: it checks inbound identifiers as UUIDs or not at all, and its middleware
cannot wrap a WSGI endpoint in front of Django.
"""

import logging
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from ipaddress import ip_address
from random import randbytes
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware

HEADER = "X-Request-ID"
# The value is written to logs: it must be short and without line breaks.
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")

_current: ContextVar[str] = ContextVar("request_id", default="")
injectors: list[Callable[[dict[str, str]], object]] = []  # of service_kit.tracing
_meta: ContextVar[Mapping[str, Any]] = ContextVar("meta", default={})  # noqa: B039  (not changed)


class Identified:
    """Use the identifier of a WSGI request within the block; a new one if it has none."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self.environ = environ

    def __enter__(self) -> str:
        given = self.environ.get("HTTP_X_REQUEST_ID", "")
        # Nothing relies on it being secret, and that of the system takes thirty times longer.
        identifier = given if WELL_FORMED.fullmatch(given) else randbytes(16).hex()  # noqa: S311
        self.previous = _current.set(identifier), _meta.set(self.environ)
        return identifier

    def __exit__(self, *exception: object) -> None:
        _current.reset(self.previous[0])
        _meta.reset(self.previous[1])


def current_meta() -> Mapping[str, Any]:
    """Return META of the current request, for code that has no request; empty without one."""
    return _meta.get()


def current_id() -> str:
    """Return the identifier of the current request; "" without one."""
    return _current.get()


def sender(meta: Mapping[str, Any]) -> str:
    """Return the IP address that a request comes from, from its META; "" if it is unknown.

    ``X-Forwarded-For`` counts only behind a proxy that overwrites it (TRUST_PROXY_HEADERS). Some
    proxies append the port: ``192.0.2.1:4001``, ``[2001:db8::1]:443``.
    """
    forwarded = meta.get("HTTP_X_FORWARDED_FOR", "") if settings.TRUST_PROXY_HEADERS else ""
    text = forwarded.rpartition(",")[2].strip() or meta.get("REMOTE_ADDR", "")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return text[:45]
    return str(getattr(address, "ipv4_mapped", None) or address)


def outgoing_headers() -> dict[str, str]:
    """Return the headers that pass the current identifier, and trace, on to another service."""
    identifier = _current.get()
    headers = {HEADER: identifier} if identifier else {}
    for inject in injectors:
        inject(headers)
    return headers


class RequestIdMiddleware:
    """Identify each request. Must be the first entry of MIDDLEWARE."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if settings.IS_TRACED:
            from service_kit.tracing import Traced

            get_response = Traced(get_response)
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with Identified(request.META) as identifier:
            # Django logs an error response after this block has ended, with the request at hand.
            request.request_id = identifier  # type: ignore[attr-defined]
            response = self.get_response(request)
        response.headers[HEADER] = identifier
        return response


class SafeSlashMiddleware(CommonMiddleware):
    """Redirect to the address with a slash at the end, but no request that has a body.

    A client follows a 301 by GET, and loses what it has sent. 404 names the mistake.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return request.method in ("GET", "HEAD") and super().should_redirect_with_slash(request)


class RequestIdFilter(logging.Filter):
    """Set ``request_id`` on each record, "-" outside of a request. Drops no record."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        record.request_id = _current.get() or getattr(request, "request_id", "") or "-"
        return True
