"""The key set of an issuer, fetched when it is needed and kept (RFC 7517 section 5)."""

import logging
import time
from collections.abc import Callable
from math import ceil, inf
from threading import Lock, Thread

from oauth_resource_server import metrics
from oauth_resource_server.errors import (
    AuthorizationServerUnavailable,
    KeySetInvalid,
    SigningKeyUnknown,
    TokenValidationError,
)
from oauth_resource_server.http.client import HTTPClient
from oauth_resource_server.issuers.keys import Key, keys_of
from oauth_resource_server.resilience.circuit_breaker import CircuitBreaker
from oauth_resource_server.resilience.deadline import remaining

MAX_BYTES = 256 * 1024  # Entra sends certificates along with two dozen keys.
RENEW_SECONDS = 3600
KEPT_SECONDS = 24 * 3600
COOL_DOWN_SECONDS = 10
SOUGHT_AT_ONCE = 3  # times, for keys that are not there
SEEK_SECONDS = COOL_DOWN_SECONDS / SOUGHT_AT_ONCE
LEEWAY = 30  # seconds, between the clocks of the issuer and of this machine

log = logging.getLogger(__name__)


class KeySet:
    """Fetches the keys of one issuer as seldom as it can.

    - Until it has them, every token waits for them: one thread fetches, the others wait.
    - After `RENEW_SECONDS` a thread of its own fetches them anew, and nobody waits. A key that the
      issuer withdraws is trusted for that long.
    - When that fails the last set stays, for up to `KEPT_SECONDS`.
    - A key that is not there is asked for at once, so a rotation refuses nobody; but for unknown
      keys only `SOUGHT_AT_ONCE` times, and as often again in `COOL_DOWN_SECONDS`, or whoever makes
      up key ids would decide how often. One that was made up delays no rotation. In between, a
      token that is older than the set is no good, and of a newer one nobody knows.

    Args:
        http: What reaches the key set.
        breaker: Knows whether that makes sense at the moment.
        name: Of the issuer, for the log and the metrics.
        timer: Monotonic seconds.
        clock: Unix seconds, because ``iat`` is compared with it.
    """

    def __init__(
        self,
        http: HTTPClient,
        breaker: CircuitBreaker | None = None,
        *,
        name: str = "",
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.http = http
        self._breaker = breaker or CircuitBreaker(url=http.url, name=name)
        self._name = name
        self._timer = timer
        self._clock = clock
        self._fetching = Lock()
        self._keys: tuple[Key, ...] = ()
        self._fetched_at = self._renewal_at = -inf
        # When all of `SOUGHT_AT_ONCE` will be there again: all there is to know about a bucket.
        self._full_at = -inf
        self._fetched_time = 0.0

    def find(self, kid: str | None, algorithm: str, issued: int | None = None) -> tuple[Key, ...]:
        """Return the keys that can have signed a token; none if there is no such key.

        Args:
            kid: As its header says.
            algorithm: Likewise.
            issued: Its ``iat``, which nobody has verified yet.

        Raises:
            TokenValidationError: Nobody knows.
        """
        keys = self.keys()
        found = _fitting(keys, kid, algorithm)
        return found or _fitting(self._newer_than(keys, issued), kid, algorithm)

    def keys(self) -> tuple[Key, ...]:
        """Return all keys.

        Raises:
            TokenValidationError: There are none, and they cannot be fetched.
        """
        keys, now = self._keys, self._timer()
        if now >= self._fetched_at + KEPT_SECONDS:
            return self._fetch_once(keys)
        if now >= max(self._fetched_at, self._renewal_at) + RENEW_SECONDS:
            self._renew_aside(now)
        return keys

    def _newer_than(self, keys: tuple[Key, ...], issued: int | None) -> tuple[Key, ...]:
        seconds = self._full_at + SEEK_SECONDS - COOL_DOWN_SECONDS - self._timer()
        if seconds <= 1e-6:  # A rounding error is none.
            return self._fetch_once(keys, sought=True)
        if self._keys is not keys:
            return self._keys
        if issued is None or issued + LEEWAY < self._fetched_time:
            return ()
        raise SigningKeyUnknown(
            "Its key is not in the key set, which was fetched a moment ago",
            url=self.http.url,
            retry_after=ceil(seconds),
        )

    def _fetch_once(self, seen: tuple[Key, ...], *, sought: bool = False) -> tuple[Key, ...]:
        """Fetch the keys, unless another thread has done so since `seen`."""
        if not self._fetching.acquire(timeout=min(max(0, remaining()), 60)):
            raise AuthorizationServerUnavailable(
                "Another request has not got the key set in time", url=self.http.url
            )
        try:
            if self._keys is seen:
                self._fetch()
                if sought:
                    self._full_at = max(self._timer(), self._full_at) + SEEK_SECONDS
            return self._keys
        finally:
            self._fetching.release()

    def _fetch(self) -> None:
        now, time_now = self._timer(), self._clock()
        metrics.key_set_fetches.labels(self._name).inc()
        keys = self._breaker(self._ask)
        self._keys, self._fetched_at, self._fetched_time = keys, now, time_now

    def _ask(self) -> tuple[Key, ...]:
        answer = self.http.send("GET", {"Accept": "application/json"})
        document = self.http.json_object(answer.body) if answer.status == 200 else None
        try:
            return keys_of(document)
        except ValueError as error:
            reason = f"{error} (status {answer.status})"
            raise KeySetInvalid(reason, url=self.http.url, status=answer.status) from None

    def _renew_aside(self, now: float) -> None:
        if not self._fetching.acquire(blocking=False):
            return
        self._renewal_at = now - RENEW_SECONDS + COOL_DOWN_SECONDS  # When the next try may be.
        Thread(target=self._renew, name=f"keys of {self._name}", daemon=True).start()

    def _renew(self) -> None:
        try:
            self._fetch()
        except TokenValidationError as error:
            log.warning("The keys at %s stay as they were: %s", self.http.url, error)
        finally:
            self._fetching.release()


def _fitting(keys: tuple[Key, ...], kid: str | None, algorithm: str) -> tuple[Key, ...]:
    return tuple(key for key in keys if key.fits(kid, algorithm))
