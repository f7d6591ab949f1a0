"""Sign-in by password, with rate limits before anything is hashed.

All callers of ``django.contrib.auth.authenticate`` come here: the login page, the page that asks
for the password again, and every view that is added later. The limits of django-allauth would let
strangers lock an account, so `accounts.adapter` leaves passwords to these.
"""

import time
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db import transaction
from django.http import HttpRequest

from accounts.events import id_of
from accounts.models import RateLimit, User
from accounts.rate_limits import Bucket, RateLimited, client_address, key_of
from audit.recording import record

# Failed attempts. A successful one gives back what it has taken.
ACCOUNT_AND_ADDRESS = Bucket("sign-in: account and address", burst=10, seconds=60)
ADDRESS = Bucket("sign-in: address", burst=60, seconds=5)
# For guesses from many addresses. It does not apply to an address that has lately signed in to the
# account, so that strangers cannot lock the owner out.
ACCOUNT = Bucket("sign-in: account", burst=100, seconds=60)
KNOWN_ADDRESS_SECONDS = 30 * 24 * 3600


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
            user = super().authenticate(request, email, password)
        except RateLimited:  # by the hasher
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
        record("sign-in-limited", outcome="rate_limited", sub=id_of(account))
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
