"""The steps of one request without credentials: address, TLS, HTTP and clock."""

import ssl
import time
from collections.abc import Generator
from email.utils import parsedate_to_datetime

import pycurl

from oauth_resource_server.conf import Conf
from oauth_resource_server.doctor.findings import Finding, ok, origin, problem, shown, warning
from oauth_resource_server.errors import AuthorizationServerUnavailable
from oauth_resource_server.http.client import HTTPClient
from oauth_resource_server.issuers.settings import is_safe

MAX_BODY_BYTES = 256 * 1024
EXPIRY_WARNING_DAYS = 14
DAY = 24 * 3600  # seconds
SKEW_WARNING_SECONDS, SKEW_PROBLEM_SECONDS = 5, 60
NOT_TRUSTED = (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE)
NO_ADDRESS = (pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY)


def examine_endpoint(
    method: str, url: str, change: str, conf: Conf
) -> Generator[Finding, None, bool]:
    """Yield the result of a request; return whether the following steps make sense."""
    client, start = HTTPClient(url, conf, max_bytes=MAX_BODY_BYTES), time.time()
    try:
        response = client.exchange({}, "token=introspection-doctor" if method == "POST" else None)
        now = (start + time.time()) / 2
    except AuthorizationServerUnavailable as error:
        yield _failure(error, url, change)
        return False
    yield ok("address", f"{origin(url)} answers")
    if chain := client.idle[0].curl.getinfo(pycurl.INFO_CERTINFO):
        days_left = (ssl.cert_time_to_seconds(dict(chain[0])["Expire date"]) - time.time()) / DAY
        level = ok if days_left >= EXPIRY_WARNING_DAYS else warning
        yield level("TLS", f"the certificate expires in {days_left:.0f} days")
    elif not is_safe(url):
        yield warning("TLS", f"secrets are sent unencrypted. Change http:// in {change}.")
    if 300 <= response.status < 400:
        location = response.header("location")
        target = shown(location) if "://" in location else location.partition("?")[0]
        text = f"{shown(url)} redirects to {target}. Redirects are not followed. Change {change}."
        yield problem("endpoint", text)
        return False
    yield _clock(response.header("date"), now)
    return True


def _failure(error: AuthorizationServerUnavailable, url: str, change: str) -> Finding:
    assert error.original_error is not None  # noqa: S101 - there is no status
    where, (code, text) = origin(url), error.original_error.args
    reason = text.rpartition(": ")[2].rstrip(".")
    # libcurl calls it an operation as soon as there is a connection.
    timed_out = code == pycurl.E_OPERATION_TIMEDOUT and not text.startswith("Operation")
    if timed_out or code in (*NO_ADDRESS, pycurl.E_COULDNT_CONNECT):
        text = f"no connection to {where} ({reason}). Start the server, or change {change}."
        return problem("address", text)
    if code == pycurl.E_SSL_CONNECT_ERROR:
        return problem("TLS", f"{where} does not speak TLS. Change https:// in {change}.")
    if code in NOT_TRUSTED:
        return problem(
            "TLS",
            f"the certificate of {where} is not accepted: {reason}. Renew it, name its authority "
            f"in the variable SSL_CERT_FILE, or change {change}.",
        )
    text = f"{shown(url)} sends no HTTP response ({reason}). Look at the log of the server, or "
    return problem("endpoint", f"{text}change {change}.")


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
