"""Bounds of a request, applied before a view or oauthlib reads it, and the headers of pages.

django-oauth-toolkit 3.4 and oauthlib 4.0 bound neither the body nor the parameters that they store
with a grant, and oauthlib checks the scopes of a device late (oauthlib#949).
"""

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_plus

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

FORM = "application/x-www-form-urlencoded"
MAX_BODY_SIZE = 64 * 1024  # bytes; no form of this server has a tenth of it

# Characters, in all values of a parameter together. Those that are columns have the column's size.
MAX_LENGTHS = {
    "claims": 4096,
    "client_id": 100,
    "code": 255,
    "code_challenge": 128,  # RFC 7636 section 4.2
    "code_challenge_method": 10,
    "code_verifier": 128,  # RFC 7636 section 4.1
    "device_code": 100,
    "grant_type": 100,
    "nonce": 255,
    "redirect_uri": 2048,
    "resource": 2048,
    "response_type": 100,
    "scope": 2048,
    "state": 4096,
    "user_code": 100,
}
MAX_LENGTH = 16 * 1024  # of any other, such as `token`, `id_token_hint`
REPEATABLE = {"resource"}  # RFC 8707 section 2

AUTHORIZE = "oauth2_provider:authorize"
# A problem with one of these is a page. With others it is an error response to the client (RFC 6749
# section 4.1.2.1), by the validator, which knows that the redirect URI is that of the client.
NEEDED_TO_REDIRECT = {"client_id", "redirect_uri", "state"}
# Clients may use GET or POST (OpenID Connect Core 3.1.2.1, RP-Initiated Logout 2).
POSTED_BY_CLIENTS = {AUTHORIZE, "oauth2_provider:rp-initiated-logout"}
FIELDS_OF_PAGES = {"csrfmiddlewaretoken", "allow"}


class RequestLimitsMiddleware(MiddlewareMixin):
    """Refuse large bodies everywhere, and parameters out of bounds at the OAuth endpoints."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any
    ) -> HttpResponse | None:
        """Refuse the request before other middleware (CSRF) and the view read its body."""
        match = request.resolver_match
        # The introspection endpoint checks its form itself: it is served in front of Django.
        if match is None or match.view_name == "oauth2_provider:introspect":
            return None
        if response := refuse_body(request):
            return response
        problem = None
        if match.namespace == "oauth2_provider":
            problem = problem_with(request, match.view_name)
        if problem is None:
            return get_instead_of_post(request) if match.view_name in POSTED_BY_CLIENTS else None
        if getattr(view, "csrf_exempt", False):  # an endpoint for programs
            return refuse(problem)
        error = {"error": "invalid_request", "description": problem}
        return render(request, "oauth2_provider/authorize.html", {"error": error}, status=400)


def refuse_body(request: HttpRequest) -> HttpResponse | None:
    """Return an error response for a body that is too long, None for others.

    config.asgi has the same limit, and gives every body its length. This holds for any server.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not re.fullmatch(r"[0-9]{1,18}", length) or int(length) > MAX_BODY_SIZE:
        return refuse(f"The body has more than {MAX_BODY_SIZE} bytes.", 413)
    return None


def get_instead_of_post(request: HttpRequest) -> HttpResponse | None:
    """Redirect a POST of a client to a GET. Return None for a form of our own pages.

    A POST from another site comes without the session cookie (SameSite) and without a CSRF token.
    """
    if request.method != "POST" or FIELDS_OF_PAGES & request.POST.keys():
        return None
    return HttpResponseRedirect(f"{request.path}?{request.POST.urlencode()}", status=303)


def basic_credentials(header: str) -> tuple[str, str]:
    """Return client_id and secret of HTTP Basic (RFC 6749 section 2.3.1), "" where there are none.

    The name of the scheme may be in lower case (RFC 9110 section 11.1).
    """
    scheme, _, value = header.partition(" ")
    try:
        decoded = base64.b64decode(value).decode() if scheme.lower() == "basic" else ""
    except ValueError:
        return "", ""
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def refuse(description: str, status: int = 400) -> HttpResponse:
    """Return an error response (RFC 6749 section 5.2)."""
    content = {"error": "invalid_request", "error_description": description}
    return JsonResponse(content, status=status, headers={"Cache-Control": "no-store"})


def problem_with(request: HttpRequest, view_name: str) -> str | None:
    """Return why the parameters of `request` are refused, None if they are not."""
    # oauthlib cannot decode this.
    if re.search(r"%(?![0-9A-Fa-f]{2})", request.META.get("QUERY_STRING", "")):
        return "The query is not form-urlencoded."
    # RFC 9700 section 4.3.2: an address ends up in logs and histories.
    if "access_token" in request.GET:
        return "An access token belongs in the Authorization header."
    try:
        parameters = [*request.GET.lists(), *request.POST.lists()]
    except (BadRequest, SuspiciousOperation, MultiPartParserError):
        return "The body is not a form."
    if view_name == AUTHORIZE and not FIELDS_OF_PAGES & request.POST.keys():
        parameters = [one for one in parameters if one[0] in NEEDED_TO_REDIRECT]
    return problem_with_values(parameters)


def problem_with_values(parameters: Iterable[tuple[str, list[str]]]) -> str | None:
    """Return what is wrong with the first parameter that is out of bounds, None if none is."""
    for name, values in parameters:
        limit = MAX_LENGTHS.get(name, MAX_LENGTH)
        # RFC 6749 section 3.1. Clients such as Authlib repeat `client_id` with the same value.
        if len({*values}) > 1 and name not in REPEATABLE:
            return f"The parameter {name[:100]} has several values."
        if sum(map(len, values)) > limit:
            return f"The parameter {name[:100]} has more than {limit} characters."
        if any("\0" in text for text in (name, *values)):  # PostgreSQL cannot store it.
            return "A parameter holds a NUL character."
        if name == "claims" and not is_json(values[0]):
            return "The parameter claims is not JSON."
    return None


def is_json(text: str) -> bool:
    """Return whether `text` is empty or JSON that is not nested too deeply to be read."""
    try:
        json.loads(text or "null")
    except (ValueError, RecursionError):
        return False
    return True


# Without `form-action`: Chromium applies it to the redirects after a form too, and the ones after
# sign-in, consent and sign-out lead to clients.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)
# Clients open these in pop-ups.
OPENED_BY_CLIENTS = ("/accounts/", "/o/")


def page_headers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Middleware that sets the headers of pages which Django 5.2 does not set."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Django's own error pages in development have styles and scripts inline.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        if request.path_info.startswith(OPENED_BY_CLIENTS):
            # Django's default, `same-origin`, on a page or on a redirect to it, closes a pop-up for
            # the page that opened it, and the client's callback page there has no opener.
            response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware
