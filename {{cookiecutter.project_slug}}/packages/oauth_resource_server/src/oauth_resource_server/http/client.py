"""HTTP client for one URL of an authorization server: libcurl with persistent connections."""

import json
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any
from weakref import WeakSet

import pycurl
from django.utils.module_loading import import_string

from oauth_resource_server.conf import Conf, PerProcess, conf
from oauth_resource_server.errors import AuthorizationServerUnavailable
from oauth_resource_server.resilience.bulkhead import remaining, within

MAX_BODY_BYTES = 64 * 1024
# Python's JSON parser raises RecursionError for deeply nested documents.
MAX_BRACKETS = 1000
AVOIDED_SECONDS = 10
HANG_UPS = (pycurl.E_GOT_NOTHING, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR)
# Of Debian, Fedora and macOS. The libcurl of a wheel knows the path of one distribution only.
CA_FILES = "/etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem"

log = logging.getLogger(__name__)


@PerProcess
def request_headers() -> Callable[[], Mapping[str, str]]:
    """Return the function that REQUEST_HEADERS names; `dict`, which adds no header, without it."""
    path = conf().request_headers
    return import_string(path) if path else dict


@dataclass(frozen=True, slots=True)
class Response:
    """Status, body and header lines. A body that is longer than the limit is empty."""

    status: int
    body: bytes
    lines: tuple[bytes, ...] = ()

    def header(self, name: str) -> str:
        """Return the last value of a header; empty without one."""
        pairs = (line.decode("latin-1").partition(":") for line in self.lines)
        return {key.lower(): value.strip() for key, _, value in pairs}.get(name, "")


class HTTPClient:
    """Sends requests to one URL over persistent connections. Follows no redirects.

    Threads may share it, processes may not: see `PerProcess`. No request takes longer than the
    total timeout, name resolution and all tries included.

    Without a line of a response there is one more try over a new connection, to another address of
    the host if it has several. (The requests are idempotent.) A server that has hung up is asked
    again, and one that is silent over a kept connection, because the replica at its other end may
    be gone: half of the time is left for that, and the other idle connections are not used again.
    One that is silent over a new connection is asked again only at another address. An address
    without an answer is avoided for `AVOIDED_SECONDS`, unless no other one answers.
    """

    def __init__(self, url: str, conf: Conf, *, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.url = url
        self.max_bytes = max_bytes
        self.avoided_until: dict[str, float] = {}  # By address.
        self.idle: list[_Connection] = []  # As many as there were requests at the same time.
        self._conf = conf
        self._silent_at = -inf  # Time of the last silence of a kept connection.
        _clients.add(self)

    def send(self, headers: Mapping[str, str], body: str | None = None) -> Response:
        """Return the response, or raise `AuthorizationServerUnavailable`, also for 429 and 5xx.

        The request is a GET without a body and a POST with one.
        """
        response = self.exchange({**headers, **request_headers()()}, body)
        if response.status == 429 or response.status >= 500:
            seconds, status = _seconds(response.header("retry-after")), response.status
            raise AuthorizationServerUnavailable(
                f"Status {status}", url=self.url, status=status, retry_after=seconds
            )
        return response

    def exchange(self, headers: Mapping[str, str], body: str | None = None) -> Response:
        """Return a response of any status; raise `AuthorizationServerUnavailable` without one."""
        try:
            connection = self.idle.pop()
        except IndexError:
            connection = _Connection(self, self._conf)
        try:
            with within(self._conf.total_timeout):
                connection.prepare(headers, body)
                return self._answer(connection)
        except pycurl.error as error:
            raise AuthorizationServerUnavailable(
                f"No answer: {error.args[-1]}", url=self.url, original_error=error
            ) from error
        finally:
            self.idle.append(connection)

    def _answer(self, connection: "_Connection") -> Response:
        is_kept = connection.answered_at > self._silent_at
        try:
            return connection.perform(remaining() / (1 + is_kept), is_new=not is_kept)
        except pycurl.error as error:
            first, address = error, connection.curl.getinfo(pycurl.PRIMARY_IP)
            is_silent = bool(address) and error.args[0] == pycurl.E_OPERATION_TIMEDOUT
            may_repeat = is_silent or connection.skipped or error.args[0] in HANG_UPS
            if connection.lines or not may_repeat:
                raise
        if is_kept and is_silent:
            self._silent_at = time.monotonic()
        if connection.skipped:
            self.avoided_until.clear()
        self.avoided_until[address] = time.monotonic() + AVOIDED_SECONDS
        try:
            response = connection.perform(remaining(), is_new=True)
        except pycurl.error:
            if not connection.skipped or connection.lines:
                raise
            # No other address answers. There may be several replicas behind the same one.
            self.avoided_until.clear()
            if is_silent and not is_kept:
                raise first from None
            return connection.perform(remaining(), is_new=True)
        log.warning("%s: no answer from %s, but from another address.", self.url, address)
        return response


class _Connection:
    """A handle of libcurl, which keeps at most one connection open. For one thread at a time."""

    def __init__(self, client: HTTPClient, conf: Conf) -> None:
        self.answered_at = -inf  # Time of the last response over the open connection.
        self.skipped: list[str] = []  # Addresses that the last request has avoided.
        self.lines: list[bytes] = []
        self._body = bytearray()
        self._timeout = conf.read_timeout
        self.curl = pycurl.Curl()
        paths = ssl.get_default_verify_paths()
        files = filter(os.path.isfile, (paths.cafile or "", *CA_FILES.split()))
        # The functions do not refer to `self`: a circle would delay the end of the connection.
        options = {
            pycurl.URL: client.url.encode(),
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.USERAGENT: "django-oauth-resource-server",
            pycurl.NOSIGNAL: 1,  # Signals belong to the main thread.
            pycurl.MAXCONNECTS: 1,
            # A new connection goes to where the name leads now: replicas come and go.
            pycurl.DNS_CACHE_TIMEOUT: 0,
            pycurl.CONNECTTIMEOUT_MS: int(1000 * conf.connect_timeout),
            # Plain http is for private networks, to which no proxy leads.
            pycurl.PROXY: "" if client.url.lower().startswith("http:") else None,
            # A variable with the path of a missing file must not lead to other authorities.
            pycurl.CAINFO: os.environ.get("SSL_CERT_FILE") or next(files, None),
            pycurl.CAPATH: paths.capath,
            pycurl.SSL_OPTIONS: pycurl.SSLOPT_NATIVE_CA,  # Of Windows and macOS.
            pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,
            pycurl.OPT_CERTINFO: 1,  # For the doctor.
            pycurl.OPENSOCKETFUNCTION: partial(_open, client.avoided_until, self.skipped),
            pycurl.HEADERFUNCTION: self.lines.append,
            pycurl.WRITEFUNCTION: self._body.extend,
            pycurl.MAXFILESIZE: client.max_bytes,
        }
        for option, value in options.items():
            self.curl.setopt(option, value)

    def prepare(self, headers: Mapping[str, str], body: str | None) -> None:
        """Set what is sent; raise `ValueError` for a header with a line break or the like."""
        # libcurl removes a header without a value, unless a semicolon says that it is empty.
        lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers.items()]
        if not "".join(lines).isprintable():
            raise ValueError("A header has a character that is not printable.")
        self.curl.setopt(pycurl.HTTPHEADER, [line.encode("latin-1") for line in lines])
        option = (pycurl.HTTPGET, 1) if body is None else (pycurl.POSTFIELDS, body)
        self.curl.setopt(*option)

    def perform(self, seconds: float, *, is_new: bool) -> Response:
        """Return the response within `seconds`, over a new connection or over the open one."""
        for part in (self.skipped, self.lines, self._body):
            part.clear()
        milliseconds = int(1000 * min(seconds, self._timeout))
        self.curl.setopt(pycurl.TIMEOUT_MS, max(1, milliseconds))  # 0 would mean without an end.
        self.curl.setopt(pycurl.FRESH_CONNECT, is_new)
        self.answered_at = -inf
        try:
            self.curl.perform()
            self.answered_at = time.monotonic()
        except pycurl.error as error:
            if error.args[0] != pycurl.E_FILESIZE_EXCEEDED:
                raise
            self._body.clear()  # It is too long.
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        return Response(status, bytes(self._body), tuple(self.lines))


class _Socket(socket.socket):
    """A socket that pycurl duplicates. Python would warn that the original is never closed."""

    __del__ = socket.socket.close


def _open(avoided_until: Mapping[str, float], skipped: list[str], _: int, target: Any) -> Any:
    """Return a socket for an address of the host; SOCKET_BAD, and libcurl tries the next one."""
    family, kind, protocol, (ip, *_) = target
    if time.monotonic() < avoided_until.get(ip, -inf):
        skipped.append(ip)
        return pycurl.SOCKET_BAD
    return _Socket(family, kind, protocol)


def _close_idle_connections() -> None:
    # A child that closed them would end them for its parent as well.
    for client in tuple(_clients):
        client.idle.clear()


_clients: WeakSet[HTTPClient] = WeakSet()
if hasattr(os, "register_at_fork"):  # Windows does not fork.
    os.register_at_fork(before=_close_idle_connections)


def json_object(text: bytes) -> dict[str, Any] | None:
    """Parse a JSON object; return None for anything else, and for one nested too deeply."""
    try:
        value = None if is_nested_too_deeply(text) else json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_nested_too_deeply(text: bytes) -> bool:
    """Return whether `text` may be nested deeper than the JSON parser allows."""
    return text.count(b"{") + text.count(b"[") > MAX_BRACKETS


def _seconds(value: str) -> int | None:
    """Parse a Retry-After in seconds; return None for a date and for more than 99999 seconds."""
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 6 else None
