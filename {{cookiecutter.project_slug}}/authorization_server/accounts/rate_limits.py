"""Token buckets in the database, which all processes and replicas of the service share.

A key is a keyed hash: the table holds no e-mail address and no IP address.
"""

import time
from dataclasses import dataclass
from ipaddress import IPv6Address

from django.db.models import F
from django.db.models.functions import Greatest
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from accounts.models import RateLimit
from service_kit.request_id import sender


class RateLimited(Exception):
    """The request is refused, with 429 or 503, before any work is done for it.

    Args:
        message: A sentence for the person at the browser.
        retry_after: Seconds, for the header ``Retry-After``.
    """

    def __init__(self, message: str, retry_after: int, status: int = 429) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


@dataclass(frozen=True)
class Bucket:
    """A limit of `burst` requests, and one more every `seconds` (generic cell rate algorithm).

    A row stores when the bucket of its key will be full again, in Unix seconds.
    """

    name: str
    burst: int
    seconds: int

    def take(self, *subject: str) -> None:
        """Take one from the bucket of `subject`.

        Raises:
            RateLimited: the bucket is empty.
        """
        now, key = time.time(), key_of(self.name, *subject)
        available = RateLimit.objects.filter(
            key=key, full_at__lte=now + (self.burst - 1) * self.seconds
        )
        taken = {"full_at": Greatest(F("full_at"), now) + self.seconds}
        if available.update(**taken):
            return
        # Either the bucket is empty, or this is the first request with the key.
        RateLimit.objects.bulk_create([RateLimit(key=key, full_at=now)], ignore_conflicts=True)
        if not available.update(**taken):
            raise RateLimited("Too many attempts. Wait a minute, then try again.", self.seconds)

    def give_back(self, *subject: str) -> None:
        """Undo one :meth:`take`."""
        rows = RateLimit.objects.filter(key=key_of(self.name, *subject))
        rows.update(full_at=F("full_at") - self.seconds)


def key_of(*parts: str) -> str:
    """Return the primary key of a row: an HMAC-SHA-256 of `parts`, in hexadecimal."""
    return salted_hmac("accounts.rate_limits", "\0".join(parts), algorithm="sha256").hexdigest()


def client_address(request: HttpRequest | None) -> str:
    """Return the address of the sender; for IPv6 the /64 network, the unit that one site gets."""
    text = sender(request.META) if request else ""
    try:
        return IPv6Address(text).exploded[:19]
    except ValueError:
        return text
