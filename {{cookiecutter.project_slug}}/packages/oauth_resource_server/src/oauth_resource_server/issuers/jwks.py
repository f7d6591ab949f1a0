"""The key set of an issuer (RFC 7517 section 5), fetched on demand and cached."""

import logging
import time
from collections.abc import Callable
from math import ceil, inf
from threading import Lock, Thread

from oauth_resource_server import errors, metrics
from oauth_resource_server.http.client import HTTPClient, json_object
from oauth_resource_server.issuers.keys import Key, keys_of
from oauth_resource_server.resilience.bulkhead import remaining
from oauth_resource_server.resilience.circuit_breaker import CircuitBreaker

MAX_BYTES = 256 * 1024  # Entra sends certificates along with two dozen keys.
RENEW_SECONDS = 3600
KEPT_SECONDS = 24 * 3600
COOL_DOWN_SECONDS = 10
REFETCH_BURST = 3  # for unknown key ids
REFETCH_SECONDS = COOL_DOWN_SECONDS / REFETCH_BURST
LEEWAY = 30  # seconds of tolerated clock skew

log = logging.getLogger(__name__)


class KeySet:
    """Fetches the keys of one issuer as rarely as possible.

    At the first use one thread fetches the key set, and the others wait for it. After
    `RENEW_SECONDS` a background thread fetches it again: a key that the issuer withdraws is trusted
    for that long. If that fails, the previous key set is kept for up to `KEPT_SECONDS`.

    An unknown key id leads to an immediate refetch, so that a rotation refuses no token; made-up
    ones to at most `REFETCH_BURST` in `COOL_DOWN_SECONDS`. Beyond that, a token issued before the
    last fetch is invalid, and for a newer one `SigningKeyUnknown` is raised.
    """

    def __init__(
        self,
        http: HTTPClient,
        breaker: CircuitBreaker,
        *,
        name: str = "",
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,  # To compare with `iat`.
    ) -> None:
        self.http = http
        self._breaker = breaker
        self._name = name
        self._timer = timer
        self._clock = clock
        self._fetching = Lock()
        self._keys: tuple[Key, ...] = ()
        self._fetched_at = self._renewal_at = -inf
        # Token bucket of the refetches: the time at which it will be full again.
        self._full_at = -inf
        self._fetched_time = 0.0

    def find(self, kid: str | None, algorithm: str, issued: int | None = None) -> tuple[Key, ...]:
        """Return the keys that may have signed a token with this header and unverified ``iat``.

        Raise a `TokenValidationError` if the key set cannot be fetched, or may be too old.
        """
        keys = self.keys()
        found = _fitting(keys, kid, algorithm)
        return found or _fitting(self._refetched(keys, issued), kid, algorithm)

    def keys(self) -> tuple[Key, ...]:
        """Return all keys; raise a `TokenValidationError` if there is no key set."""
        keys, now = self._keys, self._timer()
        if now >= self._fetched_at + KEPT_SECONDS:
            return self._fetch_once(keys)
        is_due = now >= max(self._fetched_at, self._renewal_at) + RENEW_SECONDS
        if is_due and self._fetching.acquire(blocking=False):
            self._renewal_at = now - RENEW_SECONDS + COOL_DOWN_SECONDS  # Time of the next try.
            Thread(target=self._renew, name=f"keys of {self._name}", daemon=True).start()
        return keys

    def _refetched(self, keys: tuple[Key, ...], issued: int | None) -> tuple[Key, ...]:
        seconds = self._full_at + REFETCH_SECONDS - COOL_DOWN_SECONDS - self._timer()
        if seconds <= 1e-6:  # Rounding errors do not count.
            return self._fetch_once(keys, is_refetch=True)
        if self._keys is not keys:
            return self._keys
        if issued is None or issued + LEEWAY < self._fetched_time:
            return ()
        raise errors.SigningKeyUnknown(
            "Its key is not in the key set, which was fetched recently",
            url=self.http.url,
            retry_after=ceil(seconds),
        )

    def _fetch_once(self, seen: tuple[Key, ...], *, is_refetch: bool = False) -> tuple[Key, ...]:
        """Fetch the key set, unless another thread has replaced `seen` meanwhile."""
        if not self._fetching.acquire(timeout=min(max(0, remaining()), 60)):
            raise errors.AuthorizationServerUnavailable(
                "Another request has not got the key set in time", url=self.http.url
            )
        try:
            if self._keys is seen:
                self._fetch()
                if is_refetch:
                    self._full_at = max(self._timer(), self._full_at) + REFETCH_SECONDS
            return self._keys
        finally:
            self._fetching.release()

    def _fetch(self) -> None:
        now, time_now = self._timer(), self._clock()
        metrics.key_set_fetches.labels(self._name).inc()
        keys = self._breaker(self._ask)
        self._keys, self._fetched_at, self._fetched_time = keys, now, time_now

    def _ask(self) -> tuple[Key, ...]:
        answer = self.http.send({"Accept": "application/json"})
        document = json_object(answer.body) if answer.status == 200 else None
        try:
            return keys_of(document)
        except ValueError as error:
            reason = f"{error} (status {answer.status})"
            raise errors.KeySetInvalid(reason, url=self.http.url, status=answer.status) from None

    def _renew(self) -> None:
        try:
            self._fetch()
        except errors.TokenValidationError as error:
            log.warning("The key set at %s could not be renewed: %s", self.http.url, error)
        finally:
            self._fetching.release()


def _fitting(keys: tuple[Key, ...], kid: str | None, algorithm: str) -> tuple[Key, ...]:
    return tuple(key for key in keys if key.fits(kid, algorithm))
