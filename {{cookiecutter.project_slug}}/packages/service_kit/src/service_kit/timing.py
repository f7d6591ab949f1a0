"""Tell web pages where an answer came from, by the header ``Server-Timing``. Development only."""

from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter

from django.http import HttpRequest, HttpResponse

from service_kit import request_id

_questions: ContextVar[list[str] | None] = ContextVar("questions", default=None)


def outgoing_headers() -> dict[str, str]:
    """Return the headers of a request to another service, and note that there is one."""
    if (questions := _questions.get()) is not None:
        questions.append("introspection")
    return request_id.outgoing_headers()


class ServerTimingMiddleware:
    """Say in responses to web pages whether the access token was asked about or known.

    ``introspection``: at least one request went to the authorization server. ``cache``: none did,
    and the token was judged. Neither: it was not looked at, or no issuer could be asked.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_ORIGIN" not in request.META:
            return self.get_response(request)
        questions: list[str] = []
        previous, start = _questions.set(questions), perf_counter()
        try:
            response = self.get_response(request)
        finally:
            _questions.reset(previous)
        # Django REST Framework sets `auth`, of which the request of Django has no type.
        is_refused = 'error="invalid_token"' in response.headers.get("WWW-Authenticate", "")
        if not questions and (getattr(request, "auth", None) or is_refused):
            questions.append("cache")
        total = f"total;dur={1000 * (perf_counter() - start):.1f}"
        response.headers["Server-Timing"] = ", ".join([*questions[:1], total])
        return response
