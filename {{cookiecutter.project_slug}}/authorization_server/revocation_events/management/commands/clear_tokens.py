import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from oauth2_provider.models import (
    AccessToken,
    DeviceGrant,
    IDToken,
    RefreshToken,
    clear_expired,
    refresh_token_expire_timedelta,
)
from oauth2_provider.settings import oauth2_settings

from accounts.models import CacheEntry, RateLimit, User
from audit import chain
from oauth.models import Authentication
from revocation_events.models import Event

LOCK = 0x636C656172  # any number that nothing else locks

UNVERIFIED = timedelta(days=1)

logger = logging.getLogger("clear_tokens")


class Command(BaseCommand):
    help = "Delete tokens, codes and sessions that have expired, and sign-ups without a sign-in."

    def handle(self, *args: Any, **options: Any) -> None:
        start = time.monotonic()
        # SIGTERM may end it anywhere: a batch is one transaction.
        try:
            with alone() as is_alone:
                if is_alone:
                    delete_expired()
                    seal_events()
        except DatabaseError as error:
            raise CommandError(f"The database failed: {' '.join(str(error).split())}") from error
        what = "deleted what has expired" if is_alone else "another process deletes: nothing done"
        logger.info("%s in %.1f s", what, time.monotonic() - start)


@contextmanager
def alone() -> Iterator[bool]:
    """Yield whether no other process runs this block. Two could lock each other's rows (deadlock).

    SQLite has one writer. On PostgreSQL the lock belongs to a transaction on a connection of its
    own: a pooler does not share it, and it ends with the process.
    """
    if connection.vendor != "postgresql":
        yield True
        return
    with closing(connection.copy()) as holder:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            yield cursor.fetchone()[0]


def delete_expired() -> None:
    """Delete what has expired, in batches: other writers wait briefly.

    `clear_expired` of django-oauth-toolkit says what that is: it keeps used refresh tokens, by
    which a reuse is detected, and access tokens with a refresh token that has not expired. It reads
    a whole table for each batch, so what is numerous is deleted before it. It leaves device codes.
    """
    now = timezone.now()
    if lifetime := refresh_token_expire_timedelta():
        ended = now - lifetime
        clear(RefreshToken.objects.filter(revoked__lte=ended))
        clear(RefreshToken.objects.filter(revoked=None, access_token__expires__lte=ended))
    # Without loading the rows: a signal of each would tell that it has expired.
    clear(AccessToken.objects.filter(expires__lt=now, refresh_token=None), raw=True)
    clear(IDToken.objects.filter(expires__lt=now, access_token=None))
    clear_expired()
    refresh_tokens = RefreshToken.objects.filter(token_family=OuterRef("pk"))
    old = Authentication.objects.filter(created__lt=now - timedelta(hours=1))  # older than a code
    clear(old.exclude(Exists(refresh_tokens)))
    clear(Event.objects.filter(expires__lt=now))
    clear(DeviceGrant.objects.filter(expires__lt=now))
    clear(Session.objects.filter(expire_date__lt=now))
    clear(RateLimit.objects.filter(full_at__lt=time.time()))
    clear(CacheEntry.objects.filter(expires__lt=now))
    sessions = Session.objects.values("session_key")
    clear(UserSession.objects.exclude(session_key__in=sessions))
    # They occupy an address that may belong to another person.
    clear(User.objects.filter(unverified_since__lt=now - UNVERIFIED))


def seal_events() -> None:
    """Seal the events of the audit table, and delete those that have expired."""
    if settings.AUDIT_KEY:
        chain.seal()
        chain.delete_expired()
    elif settings.AUDIT_DAYS:
        name = "AUTHORIZATION_SERVER_AUDIT_KEY"
        raise CommandError(f"{name} is not set: events are neither sealed nor deleted.")


def clear(expired: QuerySet[Any], *, raw: bool = False) -> None:
    """Delete the rows of `expired` in batches; `raw` ones have no rows that refer to them."""
    size = oauth2_settings.CLEAR_EXPIRED_TOKENS_BATCH_SIZE
    primary_keys, after = expired.order_by("pk").values_list("pk", flat=True), {}
    while batch := list(primary_keys.filter(**after)[:size]):
        rows = expired.model.objects.filter(pk__in=batch)
        rows._raw_delete(rows.db) if raw else rows.delete()
        after = {"pk__gt": batch[-1]}  # no row is read twice
        time.sleep(oauth2_settings.CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL)
