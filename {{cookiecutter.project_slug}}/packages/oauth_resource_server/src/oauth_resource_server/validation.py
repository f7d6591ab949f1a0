"""The one place that says whether an access token is good. All that guards a view asks here."""

import re
from collections.abc import Mapping
from typing import Any

from oauth_resource_server import metrics
from oauth_resource_server.cache.local import TokenCache
from oauth_resource_server.cache.shared import SharedCache
from oauth_resource_server.conf import PerProcess, conf
from oauth_resource_server.errors import TokenValidationError
from oauth_resource_server.issuers.routing import configured_issuers
from oauth_resource_server.resilience.bulkhead import Bulkhead
from oauth_resource_server.resilience.rate_limit import InvalidTokenRateLimit, client_address
from oauth_resource_server.tokens import AccessToken
from oauth_resource_server.users import is_refused

# A JWT of Entra names up to 200 groups in 11,000 characters. With what stands around it, a token of
# this length fits into one header of 16 KiB (nginx, see `deploy/`) and into the 16 KiB that the
# introspection endpoint of this project reads.
MAX_TOKEN_LENGTH = 16_000  # characters
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1


@PerProcess
def token_cache() -> TokenCache:
    """Return the cache of this process."""
    current, issuers = conf(), configured_issuers()
    return TokenCache(
        caching_seconds=current.caching_seconds,
        inactive_seconds=current.inactive_caching_seconds,
        max_entries=current.cache_max_entries,
        inactive_max_entries=current.inactive_cache_max_entries,
        stale_seconds=current.stale_if_error,
        seconds_of=issuers.caching_seconds,
        shared=_shared_cache(),
        room=Bulkhead(
            current.max_waiting_threads, current.total_timeout, reserved=int(len(issuers.all) > 1)
        ),
        addressee=issuers.addressee,
    )


def _shared_cache() -> SharedCache | None:
    current = conf()
    if not current.shared_cache:
        return None
    issuers = configured_issuers()
    shared = SharedCache(
        current.shared_cache,
        judge=tuple(one.identity for one in issuers.all),
        caching_seconds=current.caching_seconds,
        seconds_of=issuers.caching_seconds,
    )
    # Django imports the library behind a cache when that is first asked. It takes half a second of
    # CPU, which is not to be part of the time that a request has for its token.
    shared.get(b"")
    return shared


@PerProcess
def garbage_limit() -> InvalidTokenRateLimit:
    """Return what this process knows of those who send garbage."""
    return InvalidTokenRateLimit(conf().inactive_rate, conf().inactive_burst)


def is_well_formed(token: str) -> bool:
    """Return whether `token` can be an access token at all (RFC 6750 section 2.1)."""
    return len(token) <= MAX_TOKEN_LENGTH and B64TOKEN.fullmatch(token) is not None


def remembered(token: str) -> AccessToken | None:
    """Return what `token` stands for if that is known here, at the cost of microseconds."""
    return token_cache().get(token)


def validate(
    token: str, *, meta: Mapping[str, Any] | None = None, may_be_stale: bool = False
) -> AccessToken | None:
    """Return what `token` stands for; None if it is unknown, expired, revoked or not for us.

    Args:
        token: As it stood in the header. One that is not well-formed is no good.
        meta: ``META`` of the request: its address answers for tokens that are no good.
        may_be_stale: Whether ``STALE_IF_ERROR_SECONDS`` applies.

    Raises:
        TokenValidationError: Nobody knows, because the authorization server cannot be asked.
    """
    if not is_well_formed(token):
        return None

    def introspect(token: str) -> AccessToken | None:
        return garbage_limit()(client_address(meta or {}), lambda: _introspect(token))

    try:
        found = token_cache().get_or_introspect(token, introspect, may_be_stale=may_be_stale)
    except TokenValidationError as error:
        metrics.outcomes.labels(type(error).__name__).inc()
        raise
    metrics.outcomes.labels("inactive" if found is None else "active").inc()
    return found


def _introspect(token: str) -> AccessToken | None:
    access_token = configured_issuers().judge(token)
    # Asked here, a view that never touches the user refuses a deactivated one too, and a token
    # that is remembered costs no query. Deactivating somebody works as fast as revoking a token.
    if access_token is not None and is_refused(access_token):
        return None
    return access_token
