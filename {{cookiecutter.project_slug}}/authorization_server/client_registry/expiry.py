"""Delete what has expired: tokens, grants, and the codes of devices."""

import time

from django.utils import timezone
from oauth2_provider.models import DeviceGrant, clear_expired
from oauth2_provider.settings import oauth2_settings

from accounts.models import RateLimit


def clear() -> None:
    """Delete it in batches, so that nobody else waits for long.

    `clear_expired` of django-oauth-toolkit keeps what can still be of use: refresh tokens that were
    used, by which a thief is noticed, and access tokens as long as their refresh token lives.
    """
    clear_expired()
    clear_device_grants()
    RateLimit.objects.filter(full_at__lt=time.time()).delete()


def clear_device_grants() -> None:
    """Delete the codes of devices, which the toolkit never does."""
    expired = DeviceGrant.objects.filter(expires__lt=timezone.now())
    size = oauth2_settings.CLEAR_EXPIRED_TOKENS_BATCH_SIZE
    while batch := list(expired.values_list("pk", flat=True)[:size]):
        DeviceGrant.objects.filter(pk__in=batch).delete()
        time.sleep(oauth2_settings.CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL)
