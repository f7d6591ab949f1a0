import logging
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from oauth2_provider.models import DeviceGrant, clear_expired
from oauth2_provider.settings import oauth2_settings

from accounts.models import RateLimit

logger = logging.getLogger("clear_tokens")


class Command(BaseCommand):
    help = "Delete tokens, grants and device codes that have expired: once, or repeatedly."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--every", type=int, metavar="SECONDS", help="repeat it after this number of seconds"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        every = options["every"]
        if every is None:
            return self.clear()
        while True:
            # SIGTERM may end it anywhere: a batch is one transaction.
            try:
                self.clear()
            except DatabaseError as error:
                logger.error("failed, next time in %d s: %s", every, " ".join(str(error).split()))
            close_old_connections()
            time.sleep(every)

    def clear(self) -> None:
        """Do it once, and log it."""
        start = time.monotonic()
        delete_expired()
        logger.info("deleted what has expired in %.1f s", time.monotonic() - start)


def delete_expired() -> None:
    """Delete tokens, grants, device codes and rate limits, in batches: other writers wait briefly.

    `clear_expired` of django-oauth-toolkit keeps used refresh tokens, by which a reuse is detected,
    and access tokens with a refresh token that has not expired.
    """
    clear_expired()
    clear_device_grants()
    RateLimit.objects.filter(full_at__lt=time.time()).delete()


def clear_device_grants() -> None:
    """Delete expired device codes, which `clear_expired` leaves."""
    expired = DeviceGrant.objects.filter(expires__lt=timezone.now())
    size = oauth2_settings.CLEAR_EXPIRED_TOKENS_BATCH_SIZE
    while batch := list(expired.values_list("pk", flat=True)[:size]):
        DeviceGrant.objects.filter(pk__in=batch).delete()
        time.sleep(oauth2_settings.CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL)
