"""Cache of validated tokens in the memory of one process."""

import time
from collections.abc import Collection
from threading import Lock
from typing import Generic, TypeAlias, TypeVar

from oauth_resource_server.tokens import AccessToken

V = TypeVar("V")
MAX_DEAD = 50_000
# Since and until when, the token, and until when while revocations are reported.
_Entry: TypeAlias = tuple[float, float, AccessToken, float]


class LocalCache:
    """Bounded cache by SHA-256 digests of tokens. Times are Unix seconds.

    An entry from the future is not used: setting the clock back would prolong its life.

    Active and inactive tokens are stored apart, so that a flood of invalid tokens evicts no valid
    one. Of both, at least the half of the maximum that was used last is kept.

    While an issuer reports revocations (`vouched_until`, monotonic seconds), entries may live
    longer than their time without reports. Dead tokens are remembered, so that no answer that was
    on its way brings one back.
    """

    vouched_until = 0.0

    def __init__(
        self, *, max_entries: int, inactive_max_entries: int, stale_seconds: float = 0
    ) -> None:
        self._active: _BoundedDict[_Entry] = _BoundedDict(max_entries)
        self._inactive: _BoundedDict[tuple[float, float]] = _BoundedDict(inactive_max_entries)
        self._dead: _BoundedDict[float] = _BoundedDict(MAX_DEAD)
        self._stale_seconds = stale_seconds

    def get(self, key: bytes) -> AccessToken | None:
        """Return the active token; None if there is none or its entry has expired."""
        entry, now = self._active.get(key), time.time()
        if entry is None or now < entry[0]:
            return None
        if now >= entry[1] and not (now < entry[3] and time.monotonic() < self.vouched_until):
            return None
        return entry[2]

    def get_stale(self, key: bytes) -> AccessToken | None:
        """Return the active token, also for `stale_seconds` longer, but never past its ``exp``."""
        entry = self._active.get(key)
        if entry is None or not entry[0] <= time.time() < entry[1] + self._stale_seconds:
            return None
        return None if entry[2].is_expired() else entry[2]

    def is_inactive(self, key: bytes) -> bool:
        """Return whether the token is cached as inactive."""
        entry = self._inactive.get(key)
        return bool(entry and entry[0] <= time.time() < entry[1]) or self.is_dead(key)

    def is_dead(self, key: bytes) -> bool:
        """Return whether the token has been revoked, as far as is known."""
        until = self._dead.get(key)
        return until is not None and time.time() < until

    def put(self, key: bytes, access_token: AccessToken, until: float, vouched: float = 0) -> None:
        """Cache an active token until `until`, or, while revocations are reported, `vouched`."""
        self._active.put(key, (time.time(), until, access_token, vouched))

    def kill(self, key: bytes, until: float) -> bool:
        """Remember a token as revoked; return whether it was cached as active."""
        self._dead.put(key, until)
        return self._active.drop(key)

    def drop(self, key: bytes) -> None:
        """Forget an active token."""
        self._active.drop(key)

    def drop_clients(self, client_ids: Collection[str]) -> int:
        """Forget the active tokens of clients, and return their number."""
        entries = self._active.items()
        found = [key for key, (_, _, token, _) in entries if token.client_id in client_ids]
        return sum(map(self._active.drop, found))

    def clear(self) -> None:
        """Forget every active token."""
        self._active.clear()

    def put_inactive(self, key: bytes, until: float) -> None:
        """Cache a token as inactive. Afterwards `get_stale` does not return it either."""
        self._active.drop(key)
        self._inactive.put(key, (time.time(), until))


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

    def drop(self, key: bytes) -> bool:
        with self._lock:
            young, old = self._young.pop(key, None), self._old.pop(key, None)
        return young is not None or old is not None

    def items(self) -> list[tuple[bytes, V]]:
        with self._lock:
            return [*self._old.items(), *self._young.items()]

    def clear(self) -> None:
        with self._lock:
            self._young, self._old = {}, {}

    def _put(self, key: bytes, entry: V) -> None:
        if len(self._young) >= self._half and key not in self._young:
            self._young, self._old = {}, self._young
        self._young[key] = entry
