"""The steps of one request without credentials: address, TLS, HTTP and clock."""

import socket
import ssl
import time
from collections.abc import Generator, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from oauth_resource_server.conf import Conf
from oauth_resource_server.doctor.findings import Finding, ok, origin, problem, shown, warning
from oauth_resource_server.issuers.settings import is_safe

MAX_BODY_BYTES = 256 * 1024
EXPIRY_WARNING_DAYS = 14
DAY = 24 * 3600  # seconds
SKEW_WARNING_SECONDS, SKEW_PROBLEM_SECONDS = 5, 60


def fetch(method: str, url: str, conf: Conf) -> tuple[int, Mapping[str, str], bytes]:
    """Return status, headers and body; send no credentials and follow no redirect."""
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


def _days_left(url: str, conf: Conf) -> float:
    parts = urlsplit(url)
    address = parts.hostname or "", parts.port or 443
    context = ssl.create_default_context()
    with (
        socket.create_connection(address, timeout=conf.connect_timeout) as connection,
        context.wrap_socket(connection, server_hostname=address[0]) as encrypted,
    ):
        certificate = encrypted.getpeercert() or {}
    return (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / DAY


def examine_endpoint(
    method: str, url: str, change: str, conf: Conf
) -> Generator[Finding, None, bool]:
    """Yield the result of a request; return whether the following steps make sense."""
    start = time.time()
    try:
        status, headers, _ = fetch(method, url, conf)
        now = (start + time.time()) / 2
        days_left = _days_left(url, conf) if url.startswith("https:") else None
    except (HTTPError, OSError) as error:
        yield _failure(error, url, change)
        return False
    yield ok("address", f"{origin(url)} answers")
    if days_left is not None:
        level = ok if days_left >= EXPIRY_WARNING_DAYS else warning
        yield level("TLS", f"the certificate expires in {days_left:.0f} days")
    elif not is_safe(url):
        yield warning("TLS", f"secrets are sent unencrypted. Change http:// in {change}.")
    if 300 <= status < 400:
        location = headers.get("location", "")
        target = shown(location) if "://" in location else location.partition("?")[0]
        text = f"{shown(url)} redirects to {target}. Redirects are not followed. Change {change}."
        yield problem("endpoint", text)
        return False
    yield _clock(headers.get("date", ""), now)
    return True


def _failure(error: Exception, url: str, change: str) -> Finding:
    where, reason = origin(url), str(error).rpartition(": ")[2]
    if isinstance(error, ConnectTimeoutError | NewConnectionError):
        text = f"no connection to {where} ({reason}). Start the server, or change {change}."
        return problem("address", text)
    if isinstance(error, SSLError):
        cause = error.args[0]
        if not isinstance(cause, ssl.SSLCertVerificationError):
            return problem("TLS", f"{where} does not speak TLS. Change https:// in {change}.")
        return problem(
            "TLS",
            f"the certificate of {where} is not accepted: {cause.verify_message.rstrip('.')}. "
            f"Renew it, name its authority in the variable SSL_CERT_FILE, or change {change}.",
        )
    text = f"{shown(url)} sends no HTTP response ({type(error).__name__}). Look at the log of the "
    return problem("endpoint", f"{text}server, or change {change}.")


def _clock(date: str, now: float) -> Finding:
    try:
        skew = parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return warning("clock", "the response has no Date header")
    if abs(skew) <= SKEW_WARNING_SECONDS:
        return ok("clock", "both clocks agree")
    level = problem if abs(skew) > SKEW_PROBLEM_SECONDS else warning
    side = "ahead" if skew > 0 else "behind"
    return level("clock", f"the server is {abs(skew):.0f} s {side}. Set both clocks by NTP.")
