"""Examine a resource server: settings, then the steps of each issuer. No finding has a secret."""

import logging
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from logging.handlers import BufferingHandler

from django.core.cache import caches
from django.core.checks import ERROR, CheckMessage, run_checks

from oauth_resource_server.checks import check_settings
from oauth_resource_server.conf import Conf, read_conf
from oauth_resource_server.doctor.findings import Finding, Level, ok, problem, source_of, warning
from oauth_resource_server.doctor.issuer import AUDIENCE, examine_issuer
from oauth_resource_server.errors import TokenValidationError
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.settings import IssuerSettings
from oauth_resource_server.validation import validate

__all__ = ["Finding", "Level", "examine"]


def examine(token: str | None = None) -> Iterator[Finding]:
    """Yield each finding as soon as it is known, none after an error in the settings."""
    conf = read_conf()
    messages = check_settings([])
    yield from _settings(conf, messages + run_checks(tags=["credentials"]))
    if any(message.level >= ERROR for message in messages):
        return
    if conf.shared_cache:
        yield _shared_cache(conf.shared_cache)
    issuers = read_issuers(conf)
    for issuer in issuers:
        name = f"{issuer.name} " if len(issuers) > 1 else ""
        for finding in examine_issuer(issuer, conf):
            yield replace(finding, subject=f"{name}{finding.subject}")
    if token is not None:
        yield _token(token, issuers)


def _settings(conf: Conf, messages: list[CheckMessage]) -> Iterator[Finding]:
    for message in messages:
        level = problem if message.level >= ERROR else warning
        yield level("settings", f"{message.msg} ({message.id})")
    if not messages:
        yield ok("settings", "complete")
    if conf.inactive_caching_seconds == 0:
        name = "OAUTH_RESOURCE_SERVER['INACTIVE_CACHING_SECONDS']"
        text = f"each use of an invalid token is an introspection. Change {name}, for example to 5."
        yield warning("settings", text)


def _shared_cache(alias: str) -> Finding:
    change = f"Change CACHES[{alias!r}] in the settings."
    key, value = f"introspection-doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        caches[alias].set(key, value, timeout=10)
        is_stored = caches[alias].get(key) == value
        caches[alias].delete(key)
    except Exception as error:  # Each backend raises the exceptions of its own library.
        # Their messages may contain the password in the address of the cache.
        text = f"{alias!r} does not answer ({type(error).__name__}). Start it. {change}"
        return problem("shared cache", text)
    if is_stored:
        return ok("shared cache", f"{alias!r} stores values")
    return problem("shared cache", f"{alias!r} does not store values. {change}")


def _token(token: str, issuers: Iterable[IssuerSettings]) -> Finding:
    """Validate a token as a request does. The log has the reason of a refusal."""
    log, handler = logging.getLogger("oauth_resource_server"), BufferingHandler(100)
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    try:
        found = validate(token)
    except TokenValidationError as error:
        return problem("token", f"cannot be checked: {error}")
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before
    if found is not None:
        return ok("token", f"is accepted, of the client {found.client_id} for {found.scope!r}")
    reasons = " ".join(record.getMessage() for record in handler.buffer)
    for issuer in issuers:
        for audience in issuer.audiences:
            if f"expected the audience {audience}" in reasons:
                reasons += f" Change {source_of(audience, issuer, AUDIENCE)}, or the request."
    return problem("token", reasons or "is malformed (RFC 6750 section 2.1) or too long.")
