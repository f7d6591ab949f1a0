"""What the authorization server said about a token a moment ago."""

import time
from collections.abc import Callable
from hashlib import sha256
from threading import Lock

from cachetools import TLRUCache

from token_introspection.tokens import AccessToken


class TokenCache:
    """Remembers answers about tokens, a bounded number of them, for a bounded time.

    The key is the SHA-256 of the token, never the token. An active one is remembered for
    `caching_seconds`, but not past its ``exp``. Any other is remembered for `inactive_seconds`, in
    a part of its own, so that a flood of garbage drives no good token out. A failure is not
    remembered. Time counts from before the question, so that a token that is revoked while the
    answer is on its way is good for no longer than `caching_seconds` either.

    Args:
        caching_seconds: 0 remembers no active token.
        inactive_seconds: 0 remembers no inactive one.
        max_entries: Active tokens; the least recently used goes first.
        inactive_max_entries: Likewise for the inactive ones.
        timer: Unix seconds, because ``exp`` is compared with it.
    """

    def __init__(
        self,
        *,
        caching_seconds: float,
        inactive_seconds: float,
        max_entries: int,
        inactive_max_entries: int,
        timer: Callable[[], float] = time.time,
    ) -> None:
        self._caching_seconds = caching_seconds
        self._inactive_seconds = inactive_seconds
        self._timer = timer
        self._lock = Lock()
        self._active: TLRUCache[str, tuple[float, AccessToken]] = TLRUCache(
            max_entries, ttu=lambda key, entry, now: entry[0], timer=timer
        )
        self._inactive: TLRUCache[str, float] = TLRUCache(
            inactive_max_entries, ttu=lambda key, until, now: until, timer=timer
        )

    def get_or_introspect(
        self, token: str, introspect: Callable[[str], AccessToken | None]
    ) -> AccessToken | None:
        """Return what is remembered about `token`, or what `introspect` says, and remember that."""
        key = sha256(token.encode()).hexdigest()
        with self._lock:
            if entry := self._active.get(key):
                return entry[1]
            if key in self._inactive:
                return None
        asked = self._timer()
        access_token = introspect(token)
        with self._lock:
            self._remember(key, access_token, asked)
        return access_token

    def _remember(self, key: str, access_token: AccessToken | None, asked: float) -> None:
        if access_token is None:
            self._inactive[key] = asked + self._inactive_seconds
            return
        until = asked + self._caching_seconds
        if access_token.exp is not None:
            until = min(until, access_token.exp)
        self._active[key] = until, access_token
