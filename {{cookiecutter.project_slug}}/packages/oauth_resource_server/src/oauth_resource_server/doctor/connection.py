"""The steps before the first token: address, TLS, HTTP and clock."""

import socket
import ssl
import time
from collections.abc import Generator, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from oauth_resource_server.conf import Conf
from oauth_resource_server.doctor.findings import Finding, ok, problem, shown, warning
from oauth_resource_server.issuers.settings import is_safe

MAX_BODY_BYTES = 256 * 1024
EXPIRY_WARNING_DAYS = 14
DAY = 24 * 3600  # seconds
SKEW_WARNING_SECONDS, SKEW_PROBLEM_SECONDS = 5, 60


def fetch(method: str, url: str, conf: Conf) -> tuple[int, Mapping[str, str], bytes]:
    """Return status, headers and body, without sending credentials or following a redirect.

    Raises:
        HTTPError: There is no HTTP response.
    """
    timeout = urllib3.Timeout(connect=conf.connect_timeout, read=conf.read_timeout)
    with urllib3.PoolManager(timeout=timeout, retries=False) as pool:
        response = pool.request(
            method,
            url,
            body=urlencode({"token": "introspection-doctor"}) if method == "POST" else None,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            redirect=False,
            preload_content=False,
        )
        try:
            return response.status, response.headers, response.read(MAX_BODY_BYTES)
        finally:
            response.close()  # The body may be longer.


def examine_connection(url: str, change: str, conf: Conf) -> Generator[Finding, None, bool]:
    """Yield whether a connection to `url` can be made, by TLS if it is https; return the same.

    Args:
        url: The endpoint.
        change: The setting that it comes from.
        conf: The settings of the library.
    """
    parts = urlsplit(url)
    host, days = parts.hostname or "", None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((host, port), timeout=conf.connect_timeout) as connection:
            if parts.scheme == "https":
                days = _days_left(connection, host)
    except ssl.SSLCertVerificationError as error:
        yield problem(
            "TLS",
            f"the certificate of {host} is not accepted: {error.verify_message.rstrip('.')}. Renew "
            f"it, name its authority in the variable SSL_CERT_FILE, or change {change}.",
        )
        return False
    except (ssl.SSLError, ConnectionResetError):
        yield problem("TLS", f"{host}:{port} does not speak TLS. Change https:// in {change}.")
        return False
    except (OSError, ValueError) as error:  # ValueError: the name of the host is malformed.
        yield problem(
            "address",
            f"no connection to {host}:{port} ({getattr(error, 'strerror', None) or 'timeout'}), so "
            f"the following steps are skipped. Start the server, or change {change}.",
        )
        return False
    yield ok("address", f"{host}:{port} accepts connections")
    if days is not None:
        level = ok if days >= EXPIRY_WARNING_DAYS else warning
        yield level("TLS", f"the certificate of {host} expires in {days:.0f} days")
    elif not is_safe(url):
        yield warning("TLS", f"secrets are sent unencrypted. Change http:// in {change}.")
    return True


def _days_left(connection: socket.socket, host: str) -> float:
    context = ssl.create_default_context()  # Reads SSL_CERT_FILE, as introspection does.
    with context.wrap_socket(connection, server_hostname=host) as encrypted:
        certificate = encrypted.getpeercert() or {}
    return (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / DAY


def examine_endpoint(
    method: str, url: str, change: str, conf: Conf
) -> Generator[Finding, None, bool]:
    """Yield the result of a request without credentials; return whether to send them."""
    start = time.time()
    try:
        status, headers, _ = fetch(method, url, conf)
    except HTTPError as error:
        yield problem(
            "endpoint",
            f"{shown(url)} sends no HTTP response ({type(error).__name__}). Look at the log of the "
            f"server, or change {change}.",
        )
        return False
    if 300 <= status < 400:
        location = headers.get("location", "")
        target = shown(location) if "://" in location else location.partition("?")[0]
        text = f"{shown(url)} redirects to {target}. Redirects are not followed. Change {change}."
        yield problem("endpoint", text)
        return False
    yield _clock(headers.get("date", ""), (start + time.time()) / 2)
    return True


def _clock(date: str, now: float) -> Finding:
    """Compare the Date header of a server with the Unix time `now`."""
    try:
        skew = parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return warning("clock", "the response has no Date header")
    if abs(skew) <= SKEW_WARNING_SECONDS:
        return ok("clock", "both clocks agree")
    level = problem if abs(skew) > SKEW_PROBLEM_SECONDS else warning
    side = "ahead" if skew > 0 else "behind"
    return level("clock", f"the server is {abs(skew):.0f} s {side}. Set both clocks by NTP.")
