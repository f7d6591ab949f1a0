"""Applies revocations to both levels of the cache, wherever they come from."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from cachetools import TTLCache

from oauth_resource_server import metrics
from oauth_resource_server.cache.local import LocalCache
from oauth_resource_server.cache.shared import SharedCache
from oauth_resource_server.tokens import AccessToken

# The clock of another process may be ahead or behind by so much.
CLOCK_SECONDS = 5
MAX_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class Revocations:
    """A batch. `tokens` are SHA-256 digests; the tokens of `clients` have to be asked about again.

    With `reset`, revocations may be missing.
    """

    tokens: Collection[bytes] = ()
    clients: Collection[str] = ()
    reset: bool = False


class RevocationMatcher:
    """Keeps the caches free of revoked tokens of one issuer.

    An answer of the issuer may be older than a revocation that came meanwhile. So a caller takes
    `version` before it asks, remembers the answer, and then drops it if `has_changed`.

    Args:
        iss: The issuer that reports its revocations.
        longest: Seconds for which an answer is remembered while it does.
    """

    def __init__(
        self, local_cache: LocalCache, shared_cache: SharedCache | None, iss: str, longest: float
    ) -> None:
        self._local, self._shared = local_cache, shared_cache
        self._iss, self._longest = iss, longest
        self.version = 0
        # Unix seconds. Every later revocation is known, and answers from before `_reset_at` or
        # before that of their client are not used.
        self._known_since = float("inf")
        self._reset_at = 0.0
        self._clients: TTLCache[str, float] = TTLCache(MAX_CLIENTS, longest)

    def begin(self) -> None:
        """Know of every revocation from now on. What was remembered before keeps its time."""
        self._known_since = time.time()

    def vouch(self, seconds: float) -> None:
        """Say that every revocation up to now is known; it is enough for `seconds`."""
        self._local.vouched_until = time.monotonic() + seconds

    def apply(self, revocations: Revocations) -> None:
        """Drop what is revoked."""
        now, evicted = time.time(), 0
        if revocations.reset:
            self.version += 1
            self._reset_at = now
            self._local.clear()
            self.begin()
        if revocations.clients:
            self.version += 1
            self._clients.update(dict.fromkeys(revocations.clients, now))
            evicted += self._local.drop_clients(frozenset(revocations.clients))
        for key in revocations.tokens:
            evicted += self._local.kill(key, now + self._longest)
        if revocations.tokens and self._shared is not None:
            self._shared.delete(list(revocations.tokens))
        metrics.evictions.inc(evicted)

    def has_changed(self, key: bytes, version: int) -> bool:
        """Return whether an answer from the time of `version` may be out of date."""
        return self.version != version or self._local.is_dead(key)

    def is_outdated(self, access_token: AccessToken, asked: float) -> bool:
        """Return whether a shared answer may be older than a revocation."""
        since = max(self._reset_at, self._clients.get(access_token.client_id, 0.0))
        return access_token.iss == self._iss and asked < since + CLOCK_SECONDS

    def vouched(self, access_token: AccessToken, asked: float) -> float:
        """Return until when (Unix seconds) an answer may be remembered while it is vouched for."""
        if access_token.iss != self._iss or asked < self._known_since:
            return 0
        longest = asked + self._longest
        return longest if access_token.exp is None else min(longest, access_token.exp)
