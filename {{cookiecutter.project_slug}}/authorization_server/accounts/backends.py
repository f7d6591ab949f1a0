"""Sign-in by password: rate limits first, then at most two hashes at the same time.

All callers of ``django.contrib.auth.authenticate`` come here: both login pages, and every view that
is added later. Delete this module when an account library with rate limits replaces the pages.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db import transaction
from django.http import HttpRequest

from accounts.events import id_of, note
from accounts.models import RateLimit, User
from accounts.rate_limits import Bucket, RateLimited, client_address, key_of

# Failed attempts. A successful one gives back what it has taken.
ACCOUNT_AND_ADDRESS = Bucket("sign-in: account and address", burst=10, seconds=60)
ADDRESS = Bucket("sign-in: address", burst=60, seconds=5)
# For guesses from many addresses. It does not apply to an address that has lately signed in to the
# account, so that strangers cannot lock the owner out.
ACCOUNT = Bucket("sign-in: account", burst=100, seconds=60)
KNOWN_ADDRESS_SECONDS = 30 * 24 * 3600

CONCURRENT_HASHES = 2  # per process: a hash takes a third of a second of CPU
WAITING = 1  # request per process; more would take all threads of the server (WEB_THREADS)
MAX_WAIT = 2  # seconds

_hashing = BoundedSemaphore(CONCURRENT_HASHES)
_places = BoundedSemaphore(CONCURRENT_HASHES + WAITING)


class RateLimitedBackend(ModelBackend):
    """The only entry of AUTHENTICATION_BACKENDS."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the active user with this e-mail address and password, None if there is none.

        Raises:
            RateLimited: too many attempts failed (429), or too many are in progress (503).
        """
        email = username or kwargs.get(User.USERNAME_FIELD)
        if not email or password is None:
            return None
        subjects = attempt_of(email.strip().lower(), client_address(request))
        take(subjects)
        try:
            with hashing_slot():
                user = super().authenticate(request, email, password)
        except RateLimited:
            give_back(subjects)
            raise
        if user:
            give_back(subjects)
            remember(subjects[ACCOUNT_AND_ADDRESS])
        return user


Attempt = dict[Bucket, tuple[str, ...]]


def attempt_of(account: str, address: str) -> Attempt:
    """Return the buckets that an attempt takes from, with the subject of each."""
    pair = (account, address)
    known = RateLimit.objects.filter(key=key_of("known", *pair), full_at__gt=time.time()).exists()
    if known:
        return {ACCOUNT_AND_ADDRESS: pair}
    return {ACCOUNT_AND_ADDRESS: pair, ADDRESS: (address,), ACCOUNT: (account,)}


def take(subjects: Attempt) -> None:
    """Take one from all buckets or, when one of them is empty, from none."""
    try:
        with transaction.atomic():
            for bucket, subject in subjects.items():
                bucket.take(*subject)
    except RateLimited:
        account, _ = subjects[ACCOUNT_AND_ADDRESS]
        note("sign-in-limited", level=logging.WARNING, user=id_of(account))
        raise


def give_back(subjects: Attempt) -> None:
    """Undo :func:`take`."""
    for bucket, subject in subjects.items():
        bucket.give_back(*subject)


def remember(pair: tuple[str, ...]) -> None:
    """Let the limit per account not apply to this account at this address."""
    RateLimit.objects.update_or_create(
        key=key_of("known", *pair), defaults={"full_at": time.time() + KNOWN_ADDRESS_SECONDS}
    )


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
