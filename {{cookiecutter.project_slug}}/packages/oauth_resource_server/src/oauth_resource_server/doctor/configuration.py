"""What can be seen without a network: the settings, and the cache that processes share."""

import secrets
from collections.abc import Generator, Iterator

from django.conf import settings
from django.core.cache import caches
from django.core.checks import ERROR

from oauth_resource_server.checks import check_settings
from oauth_resource_server.conf import Conf
from oauth_resource_server.doctor.findings import (
    Finding,
    line_of,
    line_of_url,
    ok,
    parts_of,
    problem,
    shown,
    warning,
)
from oauth_resource_server.issuers.settings import is_private

LONG_SECONDS = 300
# What `check_settings` finds that leaves nobody to ask, or nothing to ask with.
BLOCKING = {f"oauth_resource_server.E{number:03}" for number in (1, 2, 4, 5, 6, 9, 14)}


def examine_settings(conf: Conf) -> Generator[Finding, None, bool]:
    """Yield what `manage.py check` says of this package; return whether one can ask with that."""
    messages = check_settings([])
    for message in messages:
        level = problem if message.level >= ERROR else warning
        yield level("settings", f"{message.msg} ({message.id})")
    if not messages:
        yield ok("settings", "complete")
    if conf.url.startswith("http:") and not is_private(parts_of(conf.url).hostname or ""):
        yield warning(
            "settings",
            f"{shown(conf.url)} is not https, so the secret can be read on its way. "
            f"Change {line_of_url(conf.url)}.",
        )
    return BLOCKING.isdisjoint(message.id for message in messages)


def examine_audience(conf: Conf) -> Iterator[Finding]:
    """Yield whether tokens for others are refused (RFC 8707)."""
    if not conf.audience:
        return  # The system check has said so.
    parts = parts_of(conf.audience)
    if parts.scheme and not parts.fragment:
        yield ok("audience", f"tokens must be for {conf.audience}")
    else:
        line = "OAUTH_RESOURCE_SERVER['AUDIENCE'] (`audience` of resource_server.toml)"
        yield problem(
            "audience",
            f"{conf.audience!r} is no absolute URI without a fragment, and no token can be for "
            f"it (RFC 8707 section 2). Change {line}.",
        )


def examine_caching(conf: Conf) -> Iterator[Finding]:
    """Yield what is remembered, and for how long."""
    name = "RESOURCE_SERVER_TOKEN_CACHING_SECONDS"
    line = line_of(str(conf.caching_seconds), name, f"OAUTH2_PROVIDER['{name}']")
    if not isinstance(conf.caching_seconds, int | float):
        return  # The system check has said so.
    if conf.caching_seconds > LONG_SECONDS:
        yield warning(
            "caching",
            f"a token that was revoked stays good for {conf.caching_seconds} s more. "
            f"Change {line}, to 60 for example.",
        )
    elif conf.caching_seconds == 0:
        yield warning(
            "caching",
            f"the authorization server is asked for every request. Change {line}, to 10 for "
            "example.",
        )
    else:
        yield ok("caching", f"a token that was revoked stays good for {conf.caching_seconds} s")
    if conf.inactive_caching_seconds == 0:
        yield warning(
            "caching",
            "each use of a bad token is an introspection. Change "
            "OAUTH_RESOURCE_SERVER['INACTIVE_CACHING_SECONDS'] in the settings, to 5 for example.",
        )


def examine_shared_cache() -> Iterator[Finding]:
    """Yield whether the cache that processes share keeps what it is given."""
    alias = (getattr(settings, "OAUTH_RESOURCE_SERVER", None) or {}).get("SHARED_CACHE")
    if alias not in settings.CACHES:
        return  # None is wanted, or the system check has said so.
    line = f"CACHES[{alias!r}] in the settings"
    key, value = f"introspection-doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        caches[alias].set(key, value, timeout=10)
        kept = caches[alias].get(key) == value
        caches[alias].delete(key)
    except Exception as error:  # Each backend raises what its own library does.
        # Not its words: the address of a cache may hold a password.
        yield problem(
            "shared cache",
            f"{alias!r} does not answer ({type(error).__name__}). Start it, or change {line}.",
        )
        return
    if kept:
        yield ok("shared cache", f"{alias!r} keeps what it is given")
    else:
        yield problem("shared cache", f"{alias!r} forgets at once. Change {line}.")
