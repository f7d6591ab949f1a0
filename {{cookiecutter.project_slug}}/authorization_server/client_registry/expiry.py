"""Delete what has expired: tokens, grants, and the codes of devices."""

import time

from django.utils import timezone
from oauth2_provider.models import DeviceGrant, clear_expired
from oauth2_provider.settings import oauth2_settings

from accounts.models import RateLimit


def clear() -> None:
    """Delete it in batches, so that other writers do not wait for long.

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
