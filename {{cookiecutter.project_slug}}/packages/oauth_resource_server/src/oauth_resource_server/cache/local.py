"""Cache of validated tokens in the memory of one process."""

import time
from threading import Lock
from typing import Generic, TypeVar

from oauth_resource_server.tokens import AccessToken

V = TypeVar("V")


class LocalCache:
    """Bounded cache of active and inactive tokens.

    Keys are SHA-256 digests of tokens. Expiry times are Unix seconds. Active and inactive tokens
    are stored apart, so that a flood of invalid tokens evicts no valid one. Of both, at least the
    half of the maximum that was used last is kept.
    """

    def __init__(
        self, *, max_entries: int, inactive_max_entries: int, stale_seconds: float = 0
    ) -> None:
        self._active: _BoundedDict[tuple[float, AccessToken]] = _BoundedDict(max_entries)
        self._inactive: _BoundedDict[float] = _BoundedDict(inactive_max_entries)
        self._stale_seconds = stale_seconds

    def get(self, key: bytes) -> AccessToken | None:
        """Return the active token; None if there is none or its entry has expired."""
        entry = self._active.get(key)
        return None if entry is None or time.time() >= entry[0] else entry[1]

    def get_stale(self, key: bytes) -> AccessToken | None:
        """Return the active token, also for `stale_seconds` longer, but never past its ``exp``."""
        entry = self._active.get(key)
        if entry is None or time.time() >= entry[0] + self._stale_seconds:
            return None
        return None if entry[1].is_expired() else entry[1]

    def is_inactive(self, key: bytes) -> bool:
        """Return whether the token is cached as inactive."""
        until = self._inactive.get(key)
        return until is not None and time.time() < until

    def put(self, key: bytes, access_token: AccessToken, until: float) -> None:
        self._active.put(key, (until, access_token))

    def put_inactive(self, key: bytes, until: float) -> None:
        """Cache a token as inactive. Afterwards `get_stale` does not return it either."""
        self._active.drop(key)
        self._inactive.put(key, until)


class _BoundedDict(Generic[V]):
    """Dict of at most `max_entries` entries, in two generations.

    New entries go to the young generation. When it holds half of `max_entries` it becomes the old
    generation, and the previous old generation is discarded. Reading an old entry makes it young.
    A hit is one dict look-up without a lock, and an entry needs a fifth less memory than in an
    ``OrderedDict``.
    """

    def __init__(self, max_entries: int) -> None:
        self._half = max(1, max_entries // 2)
        self._lock = Lock()
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}

    def get(self, key: bytes) -> V | None:
        entry = self._young.get(key)
        if entry is None and key in self._old:
            with self._lock:
                entry = self._old.get(key)
                if entry is not None:
                    self._put(key, entry)
        return entry

    def put(self, key: bytes, entry: V) -> None:
        with self._lock:
            self._put(key, entry)

    def drop(self, key: bytes) -> None:
        with self._lock:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def _put(self, key: bytes, entry: V) -> None:
        if len(self._young) >= self._half and key not in self._young:
            self._young, self._old = {}, self._young
        self._young[key] = entry
