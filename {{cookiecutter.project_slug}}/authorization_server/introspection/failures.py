"""How often one address may try the secret of a client, and fail."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from threading import Lock
from time import monotonic
from typing import Any

AT_ONCE = 20
SECONDS_FOR_ONE_MORE = 1
MAX_PAIRS = 10_000


class Failures:
    """A token bucket for each client and address, which wrong secrets empty.

    Counted by both, so that nobody can keep a resource server out by failing in its name. Each
    process counts for itself, and knows the clients and addresses that failed last.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        # When the bucket of a pair will be full again: all there is to know about it.
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def are_too_many(self, client_id: str, address: str) -> bool:
        """Return whether the next secret of this client is not to be looked at."""
        full_at = self._full_at.get((client_id, address), 0)
        return full_at - monotonic() > (AT_ONCE - 1) * SECONDS_FOR_ONE_MORE

    def add(self, client_id: str, address: str) -> None:
        """Count one more."""
        pair = client_id, address
        with self._lock:
            full_at = max(monotonic(), self._full_at.get(pair, 0))
            self._full_at[pair] = full_at + SECONDS_FOR_ONE_MORE
            self._full_at.move_to_end(pair)
            if len(self._full_at) > MAX_PAIRS:
                self._full_at.popitem(last=False)


def client_address(environ: Any, *, is_proxied: bool) -> str:
    """Return who sends a request: an address; for IPv6 its network of 64 bits, which one may own.

    Args:
        environ: Of the request (PEP 3333).
        is_proxied: Whether a proxy writes ``X-Forwarded-For``. A request without it did not come
            through the proxy.
    """
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "") if is_proxied else ""
    address = forwarded.rpartition(",")[2].strip() or environ.get("REMOTE_ADDR", "")
    try:
        ip = ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or ip.exploded[:19])
    return address
