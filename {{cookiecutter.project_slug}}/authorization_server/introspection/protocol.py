"""The introspection request and its response (RFC 7662 section 2), without I/O.

Callers authenticate by HTTP Basic (RFC 6749 section 2.3.1) or by a bearer token with the scope
``introspection`` (RFC 6750 section 2.1). Credentials in the body are not accepted.
"""

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote_plus
from uuid import UUID

import msgspec
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from client_registry.claims import claims_for
from client_registry.credentials import CLIENT_ID
from client_registry.hashers import verify_secret
from client_registry.manifests import ResourceServer, resource_servers
from client_registry.scopes import matches

CONTENT_TYPE = "application/x-www-form-urlencoded"
# Bytes. A resource server accepts tokens of 16,000 characters, three bytes each when encoded.
MAX_BODY_SIZE = 64 * 1024
BASIC, BEARER = "basic", "bearer"
INACTIVE = {"active": False}
# Stored for an unknown client_id, and never equal: it costs the same hash as a wrong secret.
UNKNOWN_CLIENT = "machine_sha256$unknown$"


class Credentials(NamedTuple):
    """The credentials of a caller, by the scheme of its Authorization header.

    `key` is a client_id, or the SHA-256 digest of a bearer token; `secret` is "" with the latter.
    """

    scheme: str
    key: str
    secret: str = ""


class Question(NamedTuple):
    """A parsed request. `token` is "" where the form does not hold it exactly once."""

    credentials: Credentials
    token: str


class Row(NamedTuple):
    """What the database knows of a caller and a token; without a token, None or 0 from `scope` on.

    Times are Unix seconds, `user_id` is a UUID in one of its spellings; `resource` and
    `client_scopes`, the patterns of what the client may request, are JSON.
    `is_active` is 1 if neither the owner nor the client of the token is deactivated.
    """

    client_secret: str
    resource_server: str
    scope: str | None
    resource: str
    expires: str
    created: str
    client_id: str
    client_scopes: str
    is_active: str | int
    user_id: Any
    username: str | None
    auth_time: str | int | None = None
    acr: str | None = None
    #: Of the columns that CLAIMS adds for resource servers.
    claims: Sequence[Any] = ()

    @classmethod
    def of(cls, columns: Sequence[Any]) -> "Row":
        """Return the row with these values of its columns."""
        size = len(cls._fields) - 1
        return cls._make([*columns[:size], columns[size:]])


class Refused(Exception):
    """A request that is answered by an error, in the form of RFC 6749 section 5.2."""

    def __init__(
        self, status: int, error: str, description: str, *headers: tuple[str, str]
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.status = status
        self.body = {"error": error, "error_description": description}
        self.headers = headers


def unauthenticated(scheme: str) -> Refused:
    """Return the refusal of a caller that is not a registered resource server."""
    error, challenge = "invalid_client", 'Basic realm="introspection", charset="UTF-8"'
    if scheme == BEARER:
        error, challenge = "invalid_token", 'Bearer realm="introspection", error="invalid_token"'
    description = "The caller is not a registered resource server."
    return Refused(401, error, description, ("WWW-Authenticate", challenge))


def too_large() -> Refused:
    """Return the refusal of a body that is too large."""
    return Refused(413, "invalid_request", f"The body has more than {MAX_BODY_SIZE} bytes.")


# ---- The request ---------------------------------------------------------------------------------


def check_head(
    method: str, host: str, headers: Mapping[bytes, bytes], content_type: str = CONTENT_TYPE
) -> Credentials:
    """Return the credentials of a request, before its body is read.

    Args:
        method: The method.
        host: The value of the Host header.
        headers: Header values by their names in lower case.
        content_type: The one of the body.

    Raises:
        Refused: The request is not a form for this server, or has no well-formed credentials.
    """
    if not is_allowed_host(host):
        raise Refused(400, "invalid_request", "The Host header does not name this server.")
    if method != "POST":
        raise Refused(405, "invalid_request", "The method is not POST.", ("Allow", "POST"))
    given = headers.get(b"content-type", b"").partition(b";")[0].strip()
    if given.lower() != content_type.encode():
        raise Refused(415, "invalid_request", f"The content type is not {content_type}.")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > 9 or int(length) > MAX_BODY_SIZE):
        raise too_large()
    credentials = parse_authorization(headers.get(b"authorization", b"").decode("latin-1"))
    if credentials is None:
        raise unauthenticated(BASIC)
    return credentials


@lru_cache(maxsize=100)
def is_allowed_host(host: str) -> bool:
    """Return whether ALLOWED_HOSTS has the host of a Host header."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def parse_authorization(header: str) -> Credentials | None:
    """Return the credentials in an Authorization header, None where they are not well-formed.

    In HTTP Basic both client_id and secret are form-urlencoded.
    """
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == BEARER:
        return Credentials(BEARER, hashlib.sha256(value.encode()).hexdigest())
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    client_id = unquote_plus(client_id)
    if scheme.lower() != BASIC or not CLIENT_ID.fullmatch(client_id):
        return None
    return Credentials(BASIC, client_id, unquote_plus(secret))


def parse_token(body: bytes) -> str:
    """Return the parameter ``token`` of a form, "" unless it is there exactly once."""
    try:
        (token,) = parse_qs(body.decode(), max_num_fields=20)["token"]
    except (KeyError, ValueError):
        return ""
    return token


# ---- The response --------------------------------------------------------------------------------


def judge(question: Question, row: Row | None) -> dict[str, Any]:
    """Return the RFC 7662 response to `question`, from the row that it has in the database.

    Raises:
        Refused: The caller is not authenticated, or has not sent exactly one token.
    """
    server = authenticate(question.credentials, row)
    if row is None or server is None:
        raise unauthenticated(question.credentials.scheme)
    if not question.token:
        raise Refused(400, "invalid_request", "The parameter token is not there exactly once.")
    return answer(row, server)


def authenticate(credentials: Credentials, row: Row | None) -> ResourceServer | None:
    """Return the resource server with these credentials, None if they are wrong."""
    stored = row.client_secret if row else UNKNOWN_CLIENT
    if credentials.scheme == BASIC and not verify_secret(credentials.secret, stored):
        return None
    return resource_servers().get(row.resource_server) if row else None


def answer(row: Row, server: ResourceServer) -> dict[str, Any]:
    """Return the claims of an active token in the audience of `server`, else ``active: false``.

    ``exp`` and ``iat`` are Unix seconds; ``scope`` has the scopes of `server` only.
    """
    # None: unknown. 0: its owner or its client is deactivated.
    if row.scope is None or int(row.is_active) != 1 or int(row.expires) <= time.time():
        return INACTIVE
    scopes = [
        scope
        for scope in row.scope.split()
        if scope in server.scopes and may_have(row.client_scopes, scope)
    ]
    # RFC 8707; empty, it allows every resource server.
    resources = msgspec.json.decode(row.resource)
    if not scopes or (resources and server.audience not in resources):
        return INACTIVE
    # Without a user, the client is the subject (RFC 9068 section 2.2).
    subject: dict[str, Any] = {"sub": row.client_id}
    if row.user_id:
        subject = {"sub": str(UUID(str(row.user_id))), "username": row.username}
    if row.auth_time:  # RFC 9470 section 6.2
        subject |= {"auth_time": int(row.auth_time)} | ({"acr": row.acr} if row.acr else {})
    return claims_for(server.name, row.claims) | {
        "active": True,
        "scope": " ".join(scopes),
        "client_id": row.client_id,
        "token_type": "Bearer",
        "exp": int(row.expires),
        "iat": int(row.created),
        "aud": server.audience,
        "iss": settings.AUTHORIZATION_SERVER_URL,
        **subject,
    }


@lru_cache(maxsize=10_000)
def may_have(client_scopes: str, scope: str) -> bool:
    """Return whether a client may request a scope that a token of it has; it may have lost it."""
    return matches(scope, msgspec.json.decode(client_scopes))
