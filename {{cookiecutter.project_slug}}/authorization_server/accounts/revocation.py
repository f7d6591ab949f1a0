"""A deactivated account loses at once what was issued for it.

Introspection refuses such tokens in any case; this ends the refresh tokens and the codes, too, so
that nothing comes back to life when the account is activated again.
"""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone
from oauth2_provider.models import AccessToken, DeviceGrant, Grant, IDToken, RefreshToken

from accounts.models import User


@transaction.atomic
def revoke_everything(user: User) -> None:
    """Delete the access tokens, ID tokens and codes of `user`, and revoke the refresh tokens.

    A revoked refresh token stays as a row: its reuse has to be noticed (RFC 9700 section 4.14.2).
    """
    for model in (AccessToken, IDToken, Grant, DeviceGrant):
        model.objects.filter(user=user).delete()
    now = timezone.now()
    RefreshToken.objects.filter(user=user, revoked=None).update(revoked=now, updated=now)


@receiver(post_save, sender=User)
def revoke_on_deactivation(instance: User, **kwargs: Any) -> None:
    """Run whenever somebody inactive is saved: it changes nothing the second time."""
    if not instance.is_active:
        revoke_everything(instance)
