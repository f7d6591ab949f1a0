"""The hasher of people's passwords: at most two hashes run at the same time in a process.

Every hash of a password comes here: sign-in, sign-up, change, reset and the administration site.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from accounts.rate_limits import RateLimited

CONCURRENT_HASHES = 2  # per process: a hash takes a third of a second of CPU
WAITING = 1  # request per process; more would take all threads of the server (WEB_THREADS)
MAX_WAIT = 2  # seconds

_hashing = BoundedSemaphore(CONCURRENT_HASHES)
_places = BoundedSemaphore(CONCURRENT_HASHES + WAITING)


class PasswordHasher(PBKDF2PasswordHasher):
    """Django's default, with the same format and iterations."""

    def encode(self, *args: Any, **kwargs: Any) -> str:
        with hashing_slot():
            return super().encode(*args, **kwargs)


@contextmanager
def hashing_slot() -> Iterator[None]:
    """Run the block when fewer than CONCURRENT_HASHES others run.

    Raises:
        RateLimited: another request is waiting already, or the wait takes longer than MAX_WAIT.
    """
    if not _places.acquire(blocking=False):
        raise busy()
    try:
        if not _hashing.acquire(timeout=MAX_WAIT):
            raise busy()
        try:
            yield
        finally:
            _hashing.release()
    finally:
        _places.release()


def busy() -> RateLimited:
    """Return the refusal for a server that hashes as many passwords as it may."""
    message = "Many people are signing in at the moment. Try again in a few seconds."
    return RateLimited(message, MAX_WAIT, status=503)
