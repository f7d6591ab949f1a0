"""The introspection endpoint: what it answers to a stranger, and what to this resource server."""

import secrets
import time
from collections.abc import Generator, Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from oauth_resource_server.conf import Conf
from oauth_resource_server.doctor.findings import (
    Finding,
    line_of,
    line_of_url,
    ok,
    problem,
    shown,
    warning,
)
from oauth_resource_server.errors import IntrospectionCredentialsRefused, TokenValidationError
from oauth_resource_server.issuers.issuer import Issuer

MAX_BODY_BYTES = 256 * 1024
SKEW_WARNING_SECONDS, SKEW_PROBLEM_SECONDS = 5, 60
URL = "OAUTH2_PROVIDER['RESOURCE_SERVER_INTROSPECTION_URL']"
CREDENTIALS = "OAUTH2_PROVIDER['RESOURCE_SERVER_INTROSPECTION_CREDENTIALS']"
BEARER_TOKEN = "OAUTH2_PROVIDER['RESOURCE_SERVER_AUTH_TOKEN']"  # noqa: S105


def ask(method: str, url: str, conf: Conf) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers (lower-case names) and body. Without credentials; follows no redirect.

    Raises:
        HTTPError: Nothing came, or nothing that is HTTP.
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
            headers = {name.lower(): value for name, value in response.headers.items()}
            return response.status, headers, response.read(MAX_BODY_BYTES)
        finally:
            response.close()  # There may be more of it.


def examine_endpoint(conf: Conf) -> Generator[Finding, None, bool]:
    """Yield what a request without credentials shows; return whether it is worth one with them."""
    start = time.time()
    try:
        status, headers, _ = ask("POST", conf.url, conf)
    except HTTPError as error:
        yield problem(
            "endpoint",
            f"{shown(conf.url)} gives no answer ({type(error).__name__}). Look at the log of the "
            f"authorization server, or change {line_of_url(conf.url)}.",
        )
        return False
    if 300 <= status < 400:
        location = headers.get("location", "")
        target = shown(location) if "://" in location else location.partition("?")[0]
        yield problem(
            "endpoint",
            f"{shown(conf.url)} redirects to {target}, which is not followed, for a redirect may "
            f"lead anywhere. Change {line_of_url(conf.url)}.",
        )
        return False
    yield from examine_clock(headers.get("date", ""), (start + time.time()) / 2)
    return True


def examine_clock(date: str, now: float) -> Iterator[Finding]:
    """Yield how far the clock of the authorization server is from this one.

    Args:
        date: Its Date header.
        now: Unix seconds of this machine.
    """
    try:
        skew = parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        yield warning("clock", "the authorization server does not say what time it is there")
        return
    text = f"the authorization server is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    advice = "so tokens end too early or too late. Set both clocks by NTP."
    if abs(skew) > SKEW_PROBLEM_SECONDS:
        yield problem("clock", f"{text}, {advice}")
    elif abs(skew) > SKEW_WARNING_SECONDS:
        yield warning("clock", f"{text}, {advice}")
    else:
        yield ok("clock", "both clocks agree")


def examine_introspection(conf: Conf, issuer: Issuer) -> Iterator[Finding]:
    """Yield what is answered to the real credentials about a token that nobody issued."""
    try:
        answer = issuer.ask(secrets.token_urlsafe(32))
    except IntrospectionCredentialsRefused as error:
        yield problem("credentials", refused(conf, error.status))
        return
    except TokenValidationError as error:
        yield problem("introspection", failed(conf, error))
        return
    yield ok("credentials", f"{caller(conf)} is accepted")
    if answer.get("active") is False:
        yield ok("introspection", "a made-up token is inactive")
    else:
        yield problem(
            "introspection",
            "the answer about a made-up token is not that it is inactive, as RFC 7662 has it. "
            f"Change {line_of_url(conf.url)}.",
        )


def caller(conf: Conf) -> str:
    """Return what to call this resource server."""
    return f"the client {conf.credentials[0]}" if conf.credentials else "the bearer token"


def refused(conf: Conf, status: int | None) -> str:
    """Return what to do about credentials that are refused."""
    if conf.bearer_token or not conf.credentials:
        return f"the bearer token is refused (status {status}). Change {BEARER_TOKEN}."
    client_id, secret = conf.credentials
    return (
        f"{caller(conf)} is refused (status {status}). Make "
        f"{line_of(client_id, 'CLIENT_ID', CREDENTIALS)} and "
        f"{line_of(secret, 'CLIENT_SECRET', CREDENTIALS)} the same as at the authorization "
        "server, and run `manage.py ensure_clients` there. If many wrong ones were sent from here, "
        "the right one is looked at some seconds later."
    )


def failed(conf: Conf, error: TokenValidationError) -> str:
    """Return what to do about an answer that is none. The words of the error stay out of it."""
    line = line_of_url(conf.url)
    if error.status is None:
        return f"no answer in {conf.read_timeout} s. Look at the log of the authorization server."
    if error.status == 200:
        return f"the answer is no JSON object, as RFC 7662 has it. Change {line}."
    if error.status >= 500 or error.status == 429:
        return f"status {error.status}. Look at the log of the authorization server."
    return f"status {error.status}: no introspection endpoint. Change {line}, or {URL}."
