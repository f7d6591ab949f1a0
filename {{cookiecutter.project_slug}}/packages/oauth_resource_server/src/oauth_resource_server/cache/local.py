"""What the authorization server said about a token a moment ago."""

import time
from collections.abc import Callable
from hashlib import sha256
from threading import Lock

from oauth_resource_server import metrics
from oauth_resource_server.cache.shared import SharedCache
from oauth_resource_server.errors import AuthorizationServerUnavailable
from oauth_resource_server.resilience.bulkhead import PATIENCE_SECONDS, Bulkhead
from oauth_resource_server.resilience.single_flight import SingleFlight
from oauth_resource_server.tokens import AccessToken

Entry = tuple[float, AccessToken | None]  # Until when, in Unix seconds, and what the token is.


class TokenCache:
    """Remembers answers about tokens, a bounded number of them, for a bounded time.

    The key is the SHA-256 of the token, never the token. An active one is remembered for
    `caching_seconds`, but not past its ``exp``. Any other is remembered for `inactive_seconds`, in
    a part of its own, so that a flood of garbage drives no good token out. A failure is not
    remembered. Time counts from before the question, so that a token that is revoked while the
    answer is on its way is good for no longer than `caching_seconds` either.

    What is not remembered here may be in the `shared` cache. If not, one thread asks and the others
    wait for its answer (`SingleFlight`), in a bounded number (`Bulkhead`).

    Args:
        caching_seconds: 0 remembers no active token.
        inactive_seconds: 0 remembers no inactive one.
        max_entries: Active tokens; at least the half that was used last is there.
        inactive_max_entries: Likewise for the inactive ones.
        stale_seconds: How much longer an active token may be used, but not past its ``exp``, while
            the authorization server is unavailable and the view allows it.
        seconds_of: How long an active token may be remembered, where that depends on its issuer.
        shared: The second level.
        room: Where threads wait.
        addressee: Whom they wait for because of a token.
        timer: Unix seconds, because ``exp`` is compared with it.
    """

    def __init__(
        self,
        *,
        caching_seconds: float,
        inactive_seconds: float,
        max_entries: int,
        inactive_max_entries: int,
        stale_seconds: float = 0,
        seconds_of: Callable[[AccessToken], float] | None = None,
        shared: SharedCache | None = None,
        room: Bulkhead | None = None,
        addressee: Callable[[str], str] = lambda token: "",
        timer: Callable[[], float] = time.time,
    ) -> None:
        self._seconds_of = seconds_of or (lambda token: caching_seconds)
        self._inactive_seconds = inactive_seconds
        self._stale_seconds = stale_seconds
        self._shared = shared
        self._room = room or Bulkhead()
        self._addressee = addressee
        self._timer = timer
        self._flights: SingleFlight[AccessToken | None] = SingleFlight()
        self._active = _Part(max_entries)
        self._inactive = _Part(inactive_max_entries)

    def get(self, token: str) -> AccessToken | None:
        """Return `token` if it is remembered as an active one: one digest and one look at a dict.

        Every request comes this way, so nothing is done here that could be done elsewhere.
        """
        entry = self._active.get(sha256(token.encode()).digest())
        if entry is None or self._timer() >= entry[0]:
            return None
        metrics.active_hits.inc()
        return entry[1]

    def get_or_introspect(
        self,
        token: str,
        introspect: Callable[[str], AccessToken | None],
        *,
        may_be_stale: bool = False,
    ) -> AccessToken | None:
        """Return what is remembered about `token`, or what `introspect` says, and remember that.

        Raises:
            TokenValidationError: What `introspect` raises; or nobody could wait for it.
        """
        if (found := self.get(token)) is not None:
            return found
        key = sha256(token.encode()).digest()
        if self._is_inactive(key):
            return None
        # Many threads with one token cost the authorization server no more than one.
        patience = 2 * PATIENCE_SECONDS if key in self._flights else PATIENCE_SECONDS
        try:
            with self._room.place(self._addressee(token), patience):
                return self._flights(key, lambda: self._find(key, token, introspect))
        except AuthorizationServerUnavailable:
            stale = self._stale(key) if may_be_stale else None
            if stale is None:
                raise
            metrics.stale_hits.inc()
            return stale

    def _is_inactive(self, key: bytes) -> bool:
        entry = self._inactive.get(key)
        if entry is None or self._timer() >= entry[0]:
            return False
        metrics.inactive_hits.inc()
        return True

    def _stale(self, key: bytes) -> AccessToken | None:
        entry = self._active.get(key)
        if entry is None:
            return None
        until, token = entry
        if token is None or self._timer() >= _not_past_exp(until + self._stale_seconds, token):
            return None
        return token

    def _find(
        self, key: bytes, token: str, introspect: Callable[[str], AccessToken | None]
    ) -> AccessToken | None:
        # It may have been found between the first look and the beginning of this flight.
        if (found := self.get(token)) is not None:
            return found
        if self._is_inactive(key):
            return None
        if self._shared is not None and (shared := self._shared.get(key)) is not None:
            metrics.shared_hits.inc()
            return self._remember(key, *shared)
        metrics.misses.inc()
        asked = self._timer()
        found = introspect(token)
        if found is None:
            self._active.drop(key)  # Not to be used as a stale one later.
            self._inactive.put(key, (asked + self._inactive_seconds, None))
            return None
        if self._shared is not None:
            self._shared.set(key, asked, found)
        return self._remember(key, asked, found)

    def _remember(self, key: bytes, asked: float, token: AccessToken) -> AccessToken:
        self._active.put(key, (_not_past_exp(asked + self._seconds_of(token), token), token))
        return token


def _not_past_exp(until: float, token: AccessToken) -> float:
    return until if token.exp is None else min(until, token.exp)


class _Part:
    """A bounded number of entries, in two generations.

    A new entry is young. When half of `max_entries` are young they become the old generation, and
    the old one goes. An old entry that is used is young again. So the half that was used last is
    always there, and a hit is one look at a dict: no lock to take, no order to keep, and a fifth
    less memory than in an ``OrderedDict``.
    """

    def __init__(self, max_entries: int) -> None:
        self._half = max(1, max_entries // 2)
        self._lock = Lock()
        self._young: dict[bytes, Entry] = {}
        self._old: dict[bytes, Entry] = {}

    def get(self, key: bytes) -> Entry | None:
        entry = self._young.get(key)
        if entry is None and key in self._old:
            with self._lock:
                entry = self._old.get(key)
                if entry is not None:
                    self._put(key, entry)
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        with self._lock:
            self._put(key, entry)

    def drop(self, key: bytes) -> None:
        with self._lock:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def _put(self, key: bytes, entry: Entry) -> None:
        if len(self._young) >= self._half and key not in self._young:
            self._young, self._old = {}, self._young
        self._young[key] = entry
