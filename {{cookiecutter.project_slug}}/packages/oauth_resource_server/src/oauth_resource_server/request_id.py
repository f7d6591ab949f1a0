"""One identifier for a request on its whole way: in every log line, here and where it asks.

`RequestIdMiddleware` takes it from the request or makes one, `RequestIdFilter` puts it into log
records, and `outgoing_headers` carries it to the authorization server.
"""

import json
import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
# What a stranger sends ends up in logs, so that it must not be long, nor hold a line break.
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")

_current: ContextVar[str] = ContextVar("request_id", default="")


def request_id() -> str:
    """Return the identifier of the request that this thread works on; "" outside of one."""
    return _current.get()


def outgoing_headers() -> dict[str, str]:
    """Return the headers that let another service write the same identifier into its log."""
    current = request_id()
    return {HEADER: current} if current else {}


class RequestIdMiddleware:
    """Goes first in MIDDLEWARE. The response names the identifier, for people to report."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        identifier = given if WELL_FORMED.fullmatch(given) else uuid.uuid4().hex
        # Django logs a refusal with the request, when this middleware has been left already.
        request.request_id = identifier  # type: ignore[attr-defined]
        previous = _current.set(identifier)
        try:
            response = self.get_response(request)
        finally:
            _current.reset(previous)
        response.headers[HEADER] = identifier
        return response


class RequestIdFilter(logging.Filter):
    """Gives each record a ``request_id``; "-" outside of a request. Lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        record.request_id = request_id() or getattr(request, "request_id", "") or "-"
        return True


class KeyValueFormatter(logging.Formatter):
    """One line a record, ``level=INFO logger=... message="..."``, whatever the message holds.

    A value that is more than a word is a JSON string, and a traceback is one of them.
    """

    def format(self, record: logging.LogRecord) -> str:
        values = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": record.getMessage(),
        }
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return " ".join(f"{name}={_quoted(value)}" for name, value in values.items())


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[\w.:+-]+", value, re.ASCII) else json.dumps(value)
