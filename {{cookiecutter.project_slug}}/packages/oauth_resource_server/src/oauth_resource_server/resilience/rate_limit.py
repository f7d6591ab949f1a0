"""How often one address may make us ask about a token that turns out to be no good."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from math import ceil, inf
from threading import Lock
from typing import Any, TypeVar

from rest_framework.settings import api_settings

from oauth_resource_server.errors import TooManyInvalidTokens

T = TypeVar("T")
MAX_ADDRESSES = 10_000
QUIET_SECONDS = 60

log = logging.getLogger(__name__)


class InvalidTokenRateLimit:
    """A token bucket for each address, which only tokens that are inactive empty.

    An address may bring `burst` of them at once and `rate` a second after that. Beyond that no
    token of this address is asked about that is not remembered: nobody knows whether it is good, so
    the answer is 503 and not 401. Tokens that are remembered, and other addresses, do not notice.
    Good tokens cost nothing, however many are new.

    What it does not do: many addresses together are bounded only by `Bulkhead`, and clients
    behind one address (a proxy that is not counted in ``NUM_PROXIES``) share one bucket.

    Args:
        rate: Inactive tokens a second.
        burst: Inactive tokens at once.
        timer: Monotonic seconds.
    """

    def __init__(
        self, rate: float = 10, burst: int = 20, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1 / rate
        self._depth = burst / rate
        self._timer = timer
        self._lock = Lock()
        self._warn_at = -inf
        # When the bucket of an address will be full again: all there is to know about it.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __call__(self, address: str, ask: Callable[[], T | None]) -> T | None:
        """Return what `ask` returns, and charge `address` when that is None.

        Raises:
            TooManyInvalidTokens: The bucket is empty; `ask` was not called.
        """
        # Charged before, so that many threads at once cannot overdraw.
        self._charge(address)
        result = None
        is_inactive = False
        try:
            result = ask()
            is_inactive = result is None
        finally:
            if not is_inactive:
                self._give_back(address)
        return result

    def _charge(self, address: str) -> None:
        with self._lock:
            now = self._timer()
            full_at = max(now, self._full_at.get(address, now)) + self._interval
            excess = full_at - now - self._depth
            if excess > 1e-9:  # A rounding error is none.
                self._warn(now, address)
                raise TooManyInvalidTokens(
                    "Too many tokens of one address are no good", retry_after=ceil(excess)
                )
            self._full_at[address] = full_at
            self._full_at.move_to_end(address)
            if len(self._full_at) > MAX_ADDRESSES:
                self._full_at.popitem(last=False)

    def _warn(self, now: float, address: str) -> None:
        if now >= self._warn_at:
            self._warn_at = now + QUIET_SECONDS
            log.warning("Too many tokens of %s are no good; others may do the same.", address)

    def _give_back(self, address: str) -> None:
        with self._lock:
            if address in self._full_at:
                self._full_at[address] -= self._interval


def client_address(meta: Mapping[str, Any]) -> str:
    """Return whose bucket it is: the address of the client; for IPv6 its network of 64 bits.

    A proxy is believed as far as REST framework's ``NUM_PROXIES`` says, and by default not at all:
    with a header of its own making, a client would have as many buckets as it likes.
    """
    address = str(meta.get("REMOTE_ADDR", ""))
    forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    if (proxies := api_settings.NUM_PROXIES) and forwarded != [""]:
        address = forwarded[-min(proxies, len(forwarded))].strip()
    try:
        ip = ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
        return ip.exploded[:19]
    return address
