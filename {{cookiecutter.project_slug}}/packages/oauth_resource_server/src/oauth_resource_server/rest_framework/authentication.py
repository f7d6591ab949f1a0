"""Bearer token authentication for Django REST Framework (RFC 6750)."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict
from django.utils.functional import SimpleLazyObject
from oauth2_provider.contrib.rest_framework import OAuth2ProtectedResourceAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from oauth_resource_server import responses
from oauth_resource_server.errors import ResourceOwnerRefused, TokenValidationError
from oauth_resource_server.tokens import AccessToken
from oauth_resource_server.users import local_user
from oauth_resource_server.validation import MAX_TOKEN_LENGTH, is_well_formed, validate

MISPLACED = "Send the access token in the Authorization header only."
MALFORMED = "The Authorization header is not `Bearer` and one token."


class InvalidRequest(APIException):
    """400: a malformed Authorization header, or a token outside of it."""

    status_code = 400

    def __init__(self, request: Request, detail: str) -> None:
        super().__init__(responses.body(responses.INVALID_REQUEST, detail))
        # The framework sets WWW-Authenticate of a 401 itself, and of a 400 from this attribute.
        self.auth_header = responses.challenge(
            request, error=responses.INVALID_REQUEST, error_description=detail
        )


class InvalidToken(AuthenticationFailed):
    """401: the token is invalid, or its local user is refused."""

    def __init__(self, request: Request, detail: str) -> None:
        super().__init__(responses.body(responses.INVALID_TOKEN, detail))
        # Read by `authenticate_header`, here and in DOT.
        error = {"error": responses.INVALID_TOKEN, "error_description": detail}
        request.oauth2_error = error  # type: ignore[attr-defined]


class TemporarilyUnavailable(APIException):
    """503: the token may be valid. The framework sends `wait` as Retry-After."""

    status_code = 503

    def __init__(self, error: TokenValidationError) -> None:
        super().__init__(responses.UNAVAILABLE)
        self.wait = responses.report(error)


class BearerTokenAuthentication(OAuth2ProtectedResourceAuthentication):  # type: ignore[misc]
    """Accepts a bearer token in the Authorization header, and refuses one anywhere else.

    ``request.auth`` is an `AccessToken`. ``request.user`` is the local user, queried at its first
    use, or an ``AnonymousUser`` for a client credentials token. DOT's permissions accept the class
    as one of their own, but the request does not go through oauthlib.
    """

    def authenticate(
        self, request: Request
    ) -> tuple[AnonymousUser | SimpleLazyObject[Any], AccessToken] | None:
        """Return user and token; None without a token."""
        token = bearer_token(request)
        if token is None:
            return None
        may_be_stale = getattr(request.parser_context.get("view"), "accepts_stale_tokens", True)
        try:
            access_token = validate(token, meta=request._request.META, may_be_stale=may_be_stale)
        except TokenValidationError as error:
            raise TemporarilyUnavailable(error) from error
        if access_token is None:
            raise refusal(request, token)
        if access_token.is_machine:
            return AnonymousUser(), access_token
        return SimpleLazyObject(partial(_user, request, access_token)), access_token

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401; without an error if there was no token."""
        return responses.challenge(request, **getattr(request, "oauth2_error", {}))


def bearer_token(request: Request) -> str | None:
    """Return the token of the header, None without one. Whether it is well-formed is unknown."""
    # `request.META` would be slower: the framework looks it up in several places.
    meta = request._request.META
    if (query := meta.get("QUERY_STRING")) and _is_in_query(query):
        raise InvalidRequest(request, MISPLACED)
    if (content_type := meta.get("CONTENT_TYPE")) and _is_in_form(content_type, request):
        raise InvalidRequest(request, MISPLACED)
    header: str = meta.get("HTTP_AUTHORIZATION", "")
    scheme, *rest = header.split() or [""]
    if scheme.lower() != "bearer":
        return None
    if len(rest) != 1:
        raise InvalidRequest(request, MALFORMED)
    return rest[0]


def refusal(request: Request, token: str) -> InvalidRequest | InvalidToken:
    """Return the refusal of a token that is not valid, or not even well-formed."""
    if is_well_formed(token):
        return InvalidToken(request, responses.TOKEN_REFUSED)
    is_too_long = len(token) > MAX_TOKEN_LENGTH
    return InvalidRequest(request, responses.TOKEN_TOO_LONG if is_too_long else MALFORMED)


def _is_in_query(query: str) -> bool:
    """Return whether the URL carries a token (section 2.3), also if its name is percent-encoded."""
    return ("access_token" in query or "%" in query) and "access_token" in QueryDict(query)


def _is_in_form(content_type: str, request: Request) -> bool:
    """Return whether the body carries a token (section 2.2), whatever parsers the view has."""
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return False
    return "access_token" in QueryDict(request.body)


def _user(request: Request, access_token: AccessToken) -> Any:
    try:
        return local_user(access_token)
    except ResourceOwnerRefused as error:
        raise InvalidToken(request, responses.OWNER_REFUSED) from error
