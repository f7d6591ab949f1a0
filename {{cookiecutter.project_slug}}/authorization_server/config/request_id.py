"""One identifier for a request, in every log line; a resource server that asks sends its own."""

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
# What a stranger sends ends up in logs, so that it must not be long, nor hold a line break.
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")

_current: ContextVar[str] = ContextVar("request_id", default="")


@contextmanager
def identified(environ: Mapping[str, Any]) -> Iterator[str]:
    """Give what is done in the block the identifier of a WSGI request, or a new one."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    identifier = given if WELL_FORMED.fullmatch(given) else uuid.uuid4().hex
    previous = _current.set(identifier)
    try:
        yield identifier
    finally:
        _current.reset(previous)


class RequestIdMiddleware:
    """Goes first in MIDDLEWARE. The response names the identifier, for people to report."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with identified(request.META) as identifier:
            # Django logs a refusal with the request, when this block has been left already.
            request.request_id = identifier  # type: ignore[attr-defined]
            response = self.get_response(request)
        response.headers[HEADER] = identifier
        return response


class RequestIdFilter(logging.Filter):
    """Gives each record a ``request_id``; "-" outside of a request. Lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        record.request_id = _current.get() or getattr(request, "request_id", "") or "-"
        return True


class KeyValueFormatter(logging.Formatter):
    """One line a record, ``level=INFO logger=... message="..."``, whatever the message holds."""

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
        return " ".join(f"{name}={quoted(value)}" for name, value in values.items())


def quoted(value: str) -> str:
    """Return `value` as it is if it is one word, else as a JSON string."""
    return value if re.fullmatch(r"[\w.:+-]+", value, re.ASCII) else json.dumps(value)
