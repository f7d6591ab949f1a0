"""Ask the authorization server about a token (RFC 7662 section 2).

This module knows HTTP and nothing of what an answer means; ``judgement.py`` is the other way round.
"""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote_plus, urlencode

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from token_introspection.deadlines import remaining, within
from token_introspection.errors import (
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    IntrospectionResponseInvalid,
)
from token_introspection.request_id import outgoing_headers
from token_introspection.transport import is_unanswered, obey_deadlines

MAX_BODY_BYTES = 64 * 1024


class IntrospectionClient:
    """Asks one introspection endpoint over a pool of connections that stay open.

    It follows no redirect. Threads may share it, processes may not: see `PerProcess`.

    The total timeout holds against a server that sends a byte now and then, in the headers as in
    the body. The one thing that it does not cover is the resolver of the system, which takes no
    timeout: see ``resolv.conf``.

    Args:
        url: The introspection endpoint.
        credentials: Client id and secret of this resource server (RFC 6749 section 2.3.1).
        bearer_token: An access token to authenticate with in place of the credentials.
        connect_timeout: Seconds until a connection must stand.
        read_timeout: Seconds that the authorization server may be silent.
        total_timeout: Seconds for all of it, a second try included.
        pool_size: Connections that stay open. When all are busy more are opened, for one use each.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: tuple[str, str] | None = None,
        bearer_token: str | None = None,
        connect_timeout: float = 1,
        read_timeout: float = 2,
        total_timeout: float = 3,
        pool_size: int = 10,
    ) -> None:
        self.url = url
        self._target = urllib3.util.parse_url(url).request_uri
        self._headers = {
            "Accept": "application/json",
            "Authorization": _authorization(credentials, bearer_token),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._total_timeout = total_timeout
        self._pool = urllib3.connection_from_url(url, maxsize=pool_size)
        obey_deadlines(self._pool)

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the JSON object that the authorization server answers about `token`.

        Raises:
            TokenIntrospectionError: One of its subclasses; ``errors.py`` says which one when.
        """
        form = urlencode({"token": token, "token_type_hint": "access_token"})
        try:
            with within(self._total_timeout):
                response = self._post(form)
                body = _read(response)
        except HTTPError as error:
            raise AuthorizationServerUnavailable(
                f"No answer: {error}", url=self.url, original_error=error
            ) from error
        self._check_status(response)
        return self._parse(body)

    def _post(self, form: str) -> urllib3.BaseHTTPResponse:
        try:
            return self._send(form)
        except ProtocolError as error:
            # As a rule the other end has just closed a connection that was idle. Asking twice
            # changes nothing there, so it is worth one more try; a timeout, or half of an answer,
            # is not.
            if not is_unanswered(error):
                raise
            return self._send(form)

    def _send(self, form: str) -> urllib3.BaseHTTPResponse:
        seconds = max(0.001, remaining())
        return self._pool.urlopen(
            "POST",
            self._target,
            body=form,
            headers=self._headers | outgoing_headers(),
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=urllib3.Timeout(
                connect=min(self._connect_timeout, seconds), read=min(self._read_timeout, seconds)
            ),
        )

    def _check_status(self, response: urllib3.BaseHTTPResponse) -> None:
        status = response.status
        if status in (401, 403):
            raise IntrospectionCredentialsRefused(f"Status {status}", url=self.url, status=status)
        if status == 429 or status >= 500:
            retry_after = _seconds(response.headers.get("Retry-After", ""))
            raise AuthorizationServerUnavailable(
                f"Status {status}", url=self.url, status=status, retry_after=retry_after
            )
        if status != 200:
            raise IntrospectionResponseInvalid(f"Status {status}", url=self.url, status=status)

    def _parse(self, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body) if len(body) <= MAX_BODY_BYTES else None
        except (ValueError, RecursionError):  # The latter when it is nested too deeply.
            answer = None
        if not isinstance(answer, dict):
            raise IntrospectionResponseInvalid(
                f"Not a JSON object of up to {MAX_BODY_BYTES} bytes", url=self.url, status=200
            )
        return answer


def _authorization(credentials: tuple[str, str] | None, bearer_token: str | None) -> str:
    if credentials is None:
        return f"Bearer {bearer_token}"
    pair = ":".join(quote_plus(part) for part in credentials)
    return f"Basic {b64encode(pair.encode()).decode()}"


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read the body, up to one byte too many, and give its connection back to the pool."""
    try:
        body = response.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            # What is left of it would be taken for the beginning of the next answer.
            response.close()
        return body
    finally:
        response.release_conn()


def _seconds(value: str) -> int | None:
    """Return a Retry-After in seconds; None for a date, and for more than 99999 seconds."""
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 6 else None
