"""The endpoint: what is asked, in which form, by whom. All it needs is the WSGI environment."""

import json
import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from client_registry.credentials import CLIENT_ID
from introspection.answers import answer
from introspection.callers import forget, identify
from introspection.credentials import Caller, InvalidCredentials, parse_basic
from introspection.lookup import Row, look_up, renew_connection

CONTENT_TYPE = "application/x-www-form-urlencoded"
MAX_BODY_SIZE = 16 * 1024  # bytes, far more than a token has
HEADERS = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)

logger = logging.getLogger("introspection")


class Response(NamedTuple):
    """Status, headers and body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Refused(Exception):
    """The request is not answered."""

    def __init__(
        self, status: int, error: str, description: str, *headers: tuple[str, str]
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.status = status
        # The form of RFC 6749 section 5.2.
        self.body = {"error": error, "error_description": description}
        self.headers = headers


def respond(environ: Mapping[str, Any]) -> Response:
    """Tell a resource server about one token (RFC 7662 section 2).

    Makes one query for a caller who is known, two for another one, and one or none to refuse.
    """
    try:
        renew_connection()
        check_form(environ)
        caller = authenticate(environ)
        # A body may take its time, so only those who are known by now get as far as this.
        row, caller = look_up_for(caller, read_token(environ), environ)
        return as_json(200, answer(row, caller.server))
    except Refused as refused:
        if refused.status != HTTPStatus.UNAUTHORIZED:
            logger.warning("%d %s", refused.status, refused)
        return as_json(refused.status, refused.body, *refused.headers)
    except Exception:
        logger.exception("500")
        return as_json(500, {"error": "server_error"})


def check_form(environ: Mapping[str, Any]) -> None:
    """Refuse what is not a form for this server, before anything else is looked at."""
    if not is_allowed_host(environ.get("HTTP_HOST") or environ["SERVER_NAME"]):
        raise Refused(400, "invalid_request", "The Host header does not name this server.")
    if environ["REQUEST_METHOD"] != "POST":
        raise Refused(405, "invalid_request", "The method is not POST.", ("Allow", "POST"))
    content_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip()
    if content_type.lower() != CONTENT_TYPE:
        raise Refused(415, "invalid_request", f"The content type is not {CONTENT_TYPE}.")
    if content_length(environ) > MAX_BODY_SIZE:
        raise Refused(413, "invalid_request", f"The body has more than {MAX_BODY_SIZE} bytes.")


@lru_cache(maxsize=100)
def is_allowed_host(host: str) -> bool:
    """Return whether ALLOWED_HOSTS has the host of a Host header."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def content_length(environ: Mapping[str, Any]) -> int:
    """Return the number of bytes of the body, 0 where nothing says so."""
    text = environ.get("CONTENT_LENGTH") or ""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def authenticate(environ: Mapping[str, Any]) -> Caller:
    """Return who asks."""
    try:
        return identify(environ)
    except InvalidCredentials as invalid:
        log_refusal(invalid, environ.get("HTTP_AUTHORIZATION", ""))
        raise Refused(
            401,
            invalid.error,
            "The caller is not a registered resource server.",
            ("WWW-Authenticate", invalid.challenge),
        ) from None


def read_token(environ: Mapping[str, Any]) -> str:
    """Return the parameter ``token``, which has to be there once."""
    length = content_length(environ)
    body = environ["wsgi.input"].read(length) if length else b""
    try:
        if len(body) == length:
            (token,) = parse_qs(body.decode(), max_num_fields=20).get("token", [])
            return token
    except ValueError:
        pass
    raise Refused(400, "invalid_request", "The parameter token is not there once.")


def look_up_for(caller: Caller, token: str, environ: Mapping[str, Any]) -> tuple[Row, Caller]:
    """Return what is known of `token`, and the caller as of now."""
    row = look_up(token, caller.application_id)
    if row is not None and row[:2] == caller.stored:
        return row, caller
    # What was remembered of the caller is not so any more: its secret is another one, perhaps.
    forget()
    caller = authenticate(environ)
    if row := look_up(token, caller.application_id):
        return row, caller
    raise RuntimeError("The client of the caller has just been deleted.")


def as_json(status: int, content: Mapping[str, Any], *headers: tuple[str, str]) -> Response:
    """Return a response that no cache keeps."""
    body = json.dumps(content).encode()
    return Response(status, [*HEADERS, ("Content-Length", str(len(body))), *headers], body)


_last_logged = float("-inf")


def log_refusal(invalid: InvalidCredentials, header: str) -> None:
    """Log whom nobody knows, once a second: strangers must not be able to fill the log."""
    global _last_logged
    if monotonic() - _last_logged < 1:
        return
    _last_logged = monotonic()
    client_id, _ = parse_basic(header.strip().partition(" ")[2].strip()) or ("", "")
    name = client_id if re.fullmatch(CLIENT_ID, client_id) else "a caller without a client_id"
    error = f"{invalid.error} ({invalid.reason})" if invalid.reason else invalid.error
    logger.warning("401 %s for %s; more of them in this second are not logged", error, name)
