"""HTTP client for one URL of an authorization server: pooled, with deadlines and a size limit."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from django.utils.module_loading import import_string
from urllib3.exceptions import HTTPError, ProtocolError

from oauth_resource_server.conf import Conf, PerProcess, conf
from oauth_resource_server.errors import AuthorizationServerUnavailable
from oauth_resource_server.http.transport import is_unanswered, obey_deadlines
from oauth_resource_server.resilience.deadline import remaining, within

MAX_BODY_BYTES = 64 * 1024
# Python's JSON parser raises RecursionError for deeply nested documents.
MAX_BRACKETS = 1000


@PerProcess
def request_headers() -> Callable[[], Mapping[str, str]]:
    """Return the function that REQUEST_HEADERS names; `dict`, which adds no header, without it."""
    path = conf().request_headers
    return import_string(path) if path else dict


@dataclass(frozen=True, slots=True)
class Response:
    """Status and body. A body that is too long is cut off one byte after the limit."""

    status: int
    body: bytes


class HTTPClient:
    """Sends requests to one URL over a pool of persistent connections. Follows no redirects.

    Threads may share it, processes may not: see `PerProcess`. The total timeout includes a retry,
    and ends a response that arrives byte by byte. It does not cover the resolver of the system,
    which takes no timeout: see ``resolv.conf``.
    """

    def __init__(self, url: str, conf: Conf, *, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.url = url
        self.max_bytes = max_bytes
        self._target = urllib3.util.parse_url(url).request_uri
        self._conf = conf
        self._pool = urllib3.connection_from_url(url, maxsize=conf.pool_size)
        obey_deadlines(self._pool)

    def send(self, method: str, headers: Mapping[str, str], body: str | None = None) -> Response:
        """Return the response, or raise `AuthorizationServerUnavailable`, also for 429 and 5xx."""
        try:
            with within(self._conf.total_timeout):
                response = self._send(method, headers, body)
                answer = Response(response.status, self._read(response))
        except HTTPError as error:
            raise AuthorizationServerUnavailable(
                f"No answer: {error}", url=self.url, original_error=error
            ) from error
        if answer.status == 429 or answer.status >= 500:
            raise AuthorizationServerUnavailable(
                f"Status {answer.status}",
                url=self.url,
                status=answer.status,
                retry_after=_seconds(response.headers.get("Retry-After", "")),
            )
        return answer

    def json_object(self, body: bytes) -> dict[str, Any] | None:
        """Parse a JSON object; return None for anything else, and for a body that is too long."""
        return json_object(body) if len(body) <= self.max_bytes else None

    def _send(self, *request: Any) -> urllib3.BaseHTTPResponse:
        try:
            return self._send_once(*request)
        except ProtocolError as error:
            # Usually the server has just closed an idle connection. The requests are idempotent,
            # so one retry is safe. A timeout or a partial response is not retried.
            if not is_unanswered(error):
                raise
            return self._send_once(*request)

    def _send_once(
        self, method: str, headers: Mapping[str, str], body: str | None
    ) -> urllib3.BaseHTTPResponse:
        seconds = max(0.001, remaining())
        connect, read = self._conf.connect_timeout, self._conf.read_timeout
        return self._pool.urlopen(
            method,
            self._target,
            body=body,
            headers={**headers, **request_headers()()},
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=urllib3.Timeout(connect=min(connect, seconds), read=min(read, seconds)),
        )

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        try:
            body = response.read(self.max_bytes + 1)
            if len(body) > self.max_bytes:
                # The unread rest would be taken for the beginning of the next response.
                response.close()
            return body
        finally:
            response.release_conn()


def json_object(text: bytes) -> dict[str, Any] | None:
    """Parse a JSON object; return None for anything else, and for one nested too deeply."""
    if is_nested_too_deeply(text):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_nested_too_deeply(text: bytes) -> bool:
    """Return whether `text` may be nested deeper than the JSON parser allows."""
    return text.count(b"{") + text.count(b"[") > MAX_BRACKETS


def _seconds(value: str) -> int | None:
    """Parse a Retry-After in seconds; return None for a date and for more than 99999 seconds."""
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 6 else None
