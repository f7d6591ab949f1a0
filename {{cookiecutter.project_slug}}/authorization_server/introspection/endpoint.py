"""The endpoint: parse the request, run the query, judge, and respond."""

import json
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from introspection.answers import judge
from introspection.lookup import look_up
from introspection.question import BASIC, Refused, parse, parse_authorization
from service_kit.request_id import HEADER, identified

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HEADERS = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
LOG_INTERVAL = 1  # seconds between two refusals in the log

logger = logging.getLogger("introspection")
_last_logged = float("-inf")


class Response(NamedTuple):
    """Status, headers and body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def respond(environ: Mapping[str, Any]) -> Response:
    """Return the response to one request (RFC 7662 section 2). It makes one query at most."""
    try:
        question = parse(environ)
        return as_json(200, judge(question, look_up(question)))
    except Refused as refused:
        log_refusal(refused, environ)
        return as_json(refused.status, refused.body, *refused.headers)
    except Exception:
        logger.exception("500")
        return as_json(500, {"error": "server_error"})


def as_json(status: int, content: Mapping[str, Any], *headers: tuple[str, str]) -> Response:
    """Return a JSON response that no cache stores."""
    body = json.dumps(content).encode()
    return Response(status, [*HEADERS, ("Content-Length", str(len(body))), *headers], body)


def log_refusal(refused: Refused, environ: Mapping[str, Any]) -> None:
    """Log one refusal a second at most: unauthenticated requests must not fill the log."""
    global _last_logged
    now = monotonic()
    if now - _last_logged < LOG_INTERVAL:
        return
    _last_logged = now
    credentials = parse_authorization(environ.get("HTTP_AUTHORIZATION", ""))
    caller = "an unknown caller"
    if credentials and credentials.scheme == BASIC:
        caller = credentials.key
    logger.warning(
        "%d %s (%s); further refusals in this second are not logged",
        *(refused.status, refused, caller),
    )


class IntrospectionFirst:
    """A WSGI application that answers introspections, and passes other requests to Django.

    Without the middleware for pages an introspection takes a fifth of the CPU.
    """

    def __init__(self, django: "WSGIApplication") -> None:
        self.django = django
        self.path = reverse("oauth2_provider:introspect")

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] != self.path:
            return self.django(environ, start_response)
        with identified(environ) as identifier:
            status, headers, body = respond(environ)
        start_response(STATUS_LINES[status], [*headers, (HEADER, identifier)])
        return [body]


@csrf_exempt
def introspect(request: HttpRequest) -> HttpResponse:
    """Answer through Django. The metadata reverses the URL of this view, and tests call it."""
    status, headers, body = respond(request.META)
    return HttpResponse(body, status=status, headers=dict(headers))
