"""Revocation of all tokens and codes of an account when it is deactivated.

Introspection refuses tokens of inactive accounts in any case. Revocation keeps them from being
valid again when the account is reactivated.
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

    Revoked refresh tokens stay in the table, to detect their reuse (RFC 9700 section 4.14.2).
    """
    for model in (AccessToken, IDToken, Grant, DeviceGrant):
        model.objects.filter(user=user).delete()
    now = timezone.now()
    RefreshToken.objects.filter(user=user, revoked=None).update(revoked=now, updated=now)


@receiver(post_save, sender=User)
def revoke_on_deactivation(instance: User, **kwargs: Any) -> None:
    """Revoke whenever an inactive user is saved; a second run changes nothing."""
    if not instance.is_active:
        revoke_everything(instance)
