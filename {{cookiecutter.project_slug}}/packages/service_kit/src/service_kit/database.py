"""A database that is away, full, read-only or locked: 503 with Retry-After instead of a 500 page.

The middleware answers for views, and `server_error`, as ``handler500`` of the URLs, for everything
else: another middleware that uses the session, for example.
"""

import logging
import sqlite3
import sys
from contextlib import suppress
from time import monotonic

from django.apps import apps
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.views import defaults

RETRY_AFTER = 5  # seconds
LOG_INTERVAL = 1  # seconds between two outages in the log
READ_ONLY = "25006"  # PostgreSQL, such as a standby; Django has no exception of its own for it

log = logging.getLogger(__name__)
_last_logged = float("-inf")


class DatabaseMiddleware(MiddlewareMixin):
    """Answer 503 where a view could not use the database."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return unavailable(request, exception) if is_outage(exception) else None


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer a request that has raised an exception (``handler500``)."""
    error = sys.exception()
    return unavailable(request, error) if is_outage(error) else defaults.server_error(request)


def is_outage(error: BaseException | None) -> bool:
    """Return whether `error` says that the database cannot serve, and not that a query is wrong."""
    cause = getattr(error, "__cause__", None)
    if isinstance(cause, sqlite3.OperationalError):
        # An extended code. SQLITE_ERROR: the query is wrong, or a table is missing.
        return cause.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR
    is_read_only = getattr(cause, "sqlstate", None) == READ_ONLY
    return is_read_only or isinstance(error, OperationalError | InterfaceError)


def unavailable(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """Log `error`, and return 503: a page for a browser, JSON for everything else."""
    log_outage(error)
    response: HttpResponse | None = None
    if "text/html" in request.headers.get("Accept", ""):
        # A service without pages has no such template. The page is rendered without the request,
        # because that would ask the database for the user.
        with suppress(TemplateDoesNotExist):
            response = HttpResponse(render_to_string("503.html"))
    if response is None:
        # As all other errors of an API, or of an OAuth endpoint (RFC 6749 section 5.2).
        text = "detail" if apps.is_installed("rest_framework") else "error_description"
        message = "The database does not answer at the moment. Try again later."
        response = JsonResponse({"error": "temporarily_unavailable", text: message})
    response.status_code = 503
    response["Retry-After"] = str(RETRY_AFTER)
    response["Cache-Control"] = "no-store"
    # Django would log a line for each request.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def log_outage(error: BaseException | None) -> None:
    """Log one outage a second at most; drivers do not put the password into their messages."""
    global _last_logged
    now = monotonic()
    if now - _last_logged >= LOG_INTERVAL:
        _last_logged = now
        message = " ".join(str(error).split())
        log.error("The database does not answer: %s", message or type(error).__name__)
