"""The one place that says whether an access token is good. All that guards a view asks here."""

import re

from token_introspection.cache import TokenCache
from token_introspection.conf import PerProcess, conf
from token_introspection.issuer import configured_issuer
from token_introspection.tokens import AccessToken
from token_introspection.users import is_refused

MAX_TOKEN_LENGTH = 4096
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1


@PerProcess
def token_cache() -> TokenCache:
    """Return the cache of this process."""
    current = conf()
    return TokenCache(
        caching_seconds=current.caching_seconds,
        inactive_seconds=current.inactive_caching_seconds,
        max_entries=current.cache_max_entries,
        inactive_max_entries=current.inactive_cache_max_entries,
    )


def is_well_formed(token: str) -> bool:
    """Return whether `token` can be an access token at all (RFC 6750 section 2.1)."""
    return len(token) <= MAX_TOKEN_LENGTH and B64TOKEN.fullmatch(token) is not None


def validate(token: str) -> AccessToken | None:
    """Return what `token` stands for; None if it is unknown, expired, revoked or not for us.

    Raises:
        TokenIntrospectionError: Nobody knows, because the authorization server cannot be asked.
    """
    if not is_well_formed(token):
        return None
    return token_cache().get_or_introspect(token, _introspect)


def _introspect(token: str) -> AccessToken | None:
    access_token = configured_issuer().introspect(token)
    # Asked here, a view that never touches the user refuses a deactivated one too, and a token
    # that is remembered costs no query. Deactivating somebody works as fast as revoking a token.
    if access_token is not None and is_refused(access_token):
        return None
    return access_token
