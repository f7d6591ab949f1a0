"""Token introspection (RFC 7662): ask the endpoint, and, separately, judge its response."""

import logging
import time
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

from oauth_resource_server import errors
from oauth_resource_server.http.client import HTTPClient, Response, json_object
from oauth_resource_server.issuers import token_checks
from oauth_resource_server.issuers.claims import text, token_from_claims
from oauth_resource_server.issuers.settings import IssuerSettings
from oauth_resource_server.tokens import AccessToken

FORM = "application/x-www-form-urlencoded"
log = logging.getLogger(__name__)


class IntrospectionClient:
    """Client of one introspection endpoint. It does not interpret the responses."""

    def __init__(self, http: HTTPClient, issuer: IssuerSettings) -> None:
        self.http = http
        self._issuer = issuer
        self._hint = urlencode({"token_type_hint": issuer.token_type_hint})
        self._headers = {"Accept": "application/json", "Content-Type": FORM}

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the introspection response, or raise a subclass of `TokenValidationError`."""
        headers = {**self._headers, "Authorization": authorization(self._issuer)}
        response = self.http.send(headers, f"token={quote_plus(token)}&{self._hint}")
        if response.status in (401, 403):
            raise errors.IntrospectionCredentialsRefused(
                f"Status {response.status}",
                url=self.http.url,
                status=response.status,
                client_id=self._issuer.client_id,
            )
        return _members_of(response, self.http)


def authorization(issuer: IssuerSettings) -> str:
    """Return the Authorization header of this resource server, from `secret_file` as it is now."""
    if issuer.credentials is None:
        return f"Bearer {issuer.bearer_token}"
    client_id, secret = issuer.credentials
    if issuer.secret_file:
        with suppress(OSError, UnicodeDecodeError):
            secret = Path(issuer.secret_file).read_text("utf-8").strip() or secret
    pair = ":".join(map(quote_plus, (client_id, secret)))  # RFC 6749 section 2.3.1
    return f"Basic {b64encode(pair.encode()).decode()}"


class TokenInfoClient:
    """Client of Google's tokeninfo for opaque access tokens, adapted to RFC 7662."""

    def __init__(self, http: HTTPClient) -> None:
        self.http = http

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the members of a response of RFC 7662 section 2.2."""
        # In a header and not in the URL, as in google-auth-library-nodejs.
        headers = {"Authorization": f"Bearer {token}", "Content-Type": FORM}
        response = self.http.send(headers, "")
        if response.status in (400, 401):
            return {"active": False}  # There are no other credentials.
        members = _members_of(response, self.http)
        seconds = str(members.pop("expires_in", ""))
        if "exp" not in members and seconds.isascii() and seconds.isdecimal():
            members["exp"] = int(time.time()) + int(seconds[:9])
        if "exp" not in members:
            raise errors.IntrospectionResponseInvalid("No `exp`", url=self.http.url, status=200)
        return {**members, "active": True}


def _members_of(response: Response, http: HTTPClient) -> dict[str, Any]:
    """Return the JSON object in a response; raise `IntrospectionResponseInvalid` without one."""
    members = json_object(response.body) if response.status == 200 else None
    if members is None:
        expected = f"expected 200 and a JSON object of up to {http.max_bytes} bytes"
        raise errors.IntrospectionResponseInvalid(
            f"Status {response.status}, {expected}", url=http.url, status=response.status
        )
    return members


def judge_response(response: dict[str, Any], issuer: IssuerSettings) -> AccessToken | None:
    """Return the token if the response describes an active one for this resource server."""
    if not _is_active(response, issuer):
        return None
    try:
        named = text(response, "iss")
        missing = not named and issuer.iss_may_be_missing
        iss = issuer.iss if missing else token_checks.issuer_of(response, issuer)
        token = token_from_claims(response, issuer, named if iss is None else iss)
    except ValueError as error:
        url = issuer.introspection_url
        raise errors.IntrospectionResponseInvalid(str(error), url=url, status=200) from None
    if token.is_expired():
        return None
    wrong = (
        f"`{name}` is {response[name]!r}"
        for name, values in issuer.answer
        if name in response and response[name] not in values
    )
    reason = (
        (None if iss else f"expected the issuer {issuer.iss!r}, got {named!r}")
        or token_checks.rejection_reason(token, issuer)
        or next(wrong, None)
        or token_checks.sender_constraint(response)
    )
    return None if _is_refused(issuer, reason) else token


def confirms(response: dict[str, Any], issuer: IssuerSettings) -> bool:
    """Return whether the response leaves a verified JWT valid.

    The claims of the JWT are signed, so the response counts only where it revokes the token or
    constrains its sender, which lightweight tokens of Keycloak do not say themselves.
    """
    constraint = token_checks.sender_constraint(response)
    return _is_active(response, issuer) and not _is_refused(issuer, constraint)


def _is_active(response: dict[str, Any], issuer: IssuerSettings) -> bool:
    active = response.get("active")
    if not isinstance(active, bool):
        raise errors.IntrospectionResponseInvalid(
            "`active` is not true or false", url=issuer.introspection_url, status=200
        )
    if not active:
        log.debug("%s: a token is unknown, expired, revoked or for others.", issuer.name)
    return active


def _is_refused(issuer: IssuerSettings, reason: str | None) -> bool:
    if reason:
        # The token may be valid elsewhere. If every token is refused, this line tells why.
        log.warning("Refused an active token of %s: %s.", issuer.name or issuer.iss, reason)
    return reason is not None
