"""Parse an introspection request (RFC 7662 section 2.1) from a WSGI environment, without I/O but
for the body.

Callers authenticate by HTTP Basic (RFC 6749 section 2.3.1) or by a bearer token with the scope
``introspection`` (RFC 6750 section 2.1). Credentials in the body are not accepted.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote_plus

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from client_registry.credentials import CLIENT_ID

CONTENT_TYPE = "application/x-www-form-urlencoded"
# Bytes. A resource server accepts tokens of 16,000 characters, three bytes each when encoded.
MAX_BODY_SIZE = 64 * 1024
BASIC, BEARER = "basic", "bearer"


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


def parse(environ: Mapping[str, Any]) -> Question:
    """Return the parsed request. The body is read only where there are well-formed credentials.

    Raises:
        Refused: The request is not a form for this server, or has no credentials.
    """
    if not is_allowed_host(environ.get("HTTP_HOST") or environ["SERVER_NAME"]):
        raise Refused(400, "invalid_request", "The Host header does not name this server.")
    if environ["REQUEST_METHOD"] != "POST":
        raise Refused(405, "invalid_request", "The method is not POST.", ("Allow", "POST"))
    content_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip()
    if content_type.lower() != CONTENT_TYPE:
        raise Refused(415, "invalid_request", f"The content type is not {CONTENT_TYPE}.")
    if content_length(environ) > MAX_BODY_SIZE:
        raise Refused(413, "invalid_request", f"The body has more than {MAX_BODY_SIZE} bytes.")
    credentials = parse_authorization(environ.get("HTTP_AUTHORIZATION", ""))
    if credentials is None:
        raise unauthenticated(BASIC)
    return Question(credentials, read_token(environ))


@lru_cache(maxsize=100)
def is_allowed_host(host: str) -> bool:
    """Return whether ALLOWED_HOSTS has the host of a Host header."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def content_length(environ: Mapping[str, Any]) -> int:
    """Return the number of bytes in the body, 0 without a valid Content-Length."""
    text = environ.get("CONTENT_LENGTH") or ""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


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
    if scheme.lower() != BASIC or not re.fullmatch(CLIENT_ID, client_id):
        return None
    return Credentials(BASIC, client_id, unquote_plus(secret))


def read_token(environ: Mapping[str, Any]) -> str:
    """Return the parameter ``token`` of the form, "" unless it is there exactly once."""
    length = content_length(environ)
    body = environ["wsgi.input"].read(length) if length else b""
    try:
        (token,) = parse_qs(body.decode(), max_num_fields=20)["token"]
    except (KeyError, ValueError):
        return ""
    return token if len(body) == length else ""
