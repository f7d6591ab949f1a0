"""Rate limit: bounds the introspection requests that invalid tokens of one address cause."""

import logging
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil, inf
from threading import Lock
from typing import Any, NamedTuple

from cachetools import LRUCache, TTLCache
from rest_framework.settings import api_settings

from oauth_resource_server.errors import TooManyInvalidTokens

MAX_ADDRESSES = 10_000
RESERVE_SECONDS = 3600
LOG_INTERVAL_SECONDS = 60

log = logging.getLogger(__name__)


class Sender(NamedTuple):
    bucket: str  # The one that is charged.
    traits: int  # A hash of what distinguishes it from others.


class InvalidTokenRateLimit:
    """Token bucket per client address, and a second one as a reserve for senders of valid tokens.

    Every introspection is charged, and the charge of a valid token is refunded. When the bucket is
    empty, uncached tokens of the address are not introspected. They may be valid, so the answer is
    503 and not 401. Cached tokens and other addresses are not affected.

    Behind one address there may be others than the sender of invalid tokens. The reserve is for
    tokens of the form and the User-Agent of a token that was valid within `RESERVE_SECONDS`.

    `rate` is invalid tokens per second. `Bulkhead` alone bounds many addresses together.
    """

    def __init__(
        self, rate: float = 10, burst: int = 20, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1 / rate
        self._depth = burst / rate
        self._timer = timer
        self._lock = Lock()
        self._log_at = -inf
        # The time at which a bucket will be full again.
        self._full_at: LRUCache[str, float] = LRUCache(MAX_ADDRESSES)
        self._valid: TTLCache[int, bool] = TTLCache(MAX_ADDRESSES, RESERVE_SECONDS, timer)

    def sender(self, meta: Mapping[str, Any], token: str) -> Sender:
        """Return the sender of `token` in a request with `meta`."""
        address, form = client_address(meta), "JWT" if token.count(".") == 2 else len(token)
        traits = hash((address, form, meta.get("HTTP_USER_AGENT")))
        return Sender(f"{address} reserve" if traits in self._valid else address, traits)

    def accept(self, sender: Sender) -> None:
        """Undo a charge, because the token is valid."""
        self.refund(sender.bucket)
        with self._lock:
            self._valid[sender.traits] = True

    def check(self, bucket: str) -> None:
        """Raise `TooManyInvalidTokens` if the bucket is empty."""
        with self._lock:
            self._after_charge(bucket)

    def charge(self, bucket: str) -> None:
        """Take one token out of the bucket; raise `TooManyInvalidTokens` if it is empty."""
        with self._lock:
            self._full_at[bucket] = self._after_charge(bucket)

    def refund(self, bucket: str) -> None:
        with self._lock:
            if bucket in self._full_at:
                self._full_at[bucket] -= self._interval

    def _after_charge(self, bucket: str) -> float:
        now = self._timer()
        full_at = max(now, self._full_at.get(bucket, now)) + self._interval
        excess = full_at - now - self._depth
        if excess <= 1e-9:  # Rounding errors do not count.
            return full_at
        if now >= self._log_at:
            self._log_at = now + LOG_INTERVAL_SECONDS
            log.warning("Too many invalid tokens from %s, and possibly others.", bucket)
        raise TooManyInvalidTokens(
            "Too many invalid tokens from one address", retry_after=ceil(excess)
        )


def client_address(meta: Mapping[str, Any]) -> str:
    """Return the client address: an IPv4 address, or the /64 network of an IPv6 address.

    ``X-Forwarded-For`` counts as far as REST framework's ``NUM_PROXIES`` says, by default not at
    all: with a forged header a client would have any number of buckets.
    """
    address = str(meta.get("REMOTE_ADDR", ""))
    forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    if (proxies := api_settings.NUM_PROXIES) and forwarded != [""]:
        address = forwarded[-min(proxies, len(forwarded))].strip()
    # Some proxies append the port: 192.0.2.1:4001, [2001:db8::1]:443.
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    return _network(address)


@lru_cache(maxsize=1000)
def _network(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address[:45]
    return str(ip.ipv4_mapped or ip.exploded[:19]) if isinstance(ip, IPv6Address) else address
