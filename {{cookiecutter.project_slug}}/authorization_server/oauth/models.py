"""What people have allowed clients, and how they had signed in.

The toolkit stores it with each code and token only.
"""

from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models.signals import post_save
from django.dispatch import receiver
from oauth2_provider import models as oauth2

from accounts.models import revoke
from audit.recording import record


class Consent(models.Model):
    """The access of a client to the account of a user. Without this row, it gets no tokens."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    application = models.ForeignKey("oauth2_provider.Application", models.CASCADE)
    scopes = models.JSONField(default=list)
    #: False: the client was declared to need no consent.
    was_asked = models.BooleanField(default=True)
    given = models.DateTimeField(auto_now_add=True)
    #: When the client got its last token: an introspection writes nothing.
    last_used = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "application"], name="one_consent"),)

    def __str__(self) -> str:
        return f"{self.application} for {self.user}"

    def covers(self, scopes: Collection[str]) -> bool:
        """Return whether the user has been asked about all of `scopes`."""
        return self.was_asked and set(scopes).issubset(self.scopes)

    @transaction.atomic
    def withdraw(self) -> None:
        """Delete the row and what the client has of the user; resource servers learn of it.

        The row comes first: a request of the client that is storing tokens holds it.
        """
        mine = {"user": self.user, "application": self.application}
        self.delete()
        access_tokens = oauth2.AccessToken.objects.filter(**mine)
        revoke(access_tokens, oauth2.RefreshToken.objects.filter(**mine))
        for model in (oauth2.IDToken, oauth2.Grant):
            model.objects.filter(**mine).delete()
        client_id = self.application.client_id
        oauth2.DeviceGrant.objects.filter(user=self.user, client_id=client_id).delete()
        record("consent-withdrawn", sub=self.user.pk, client_id=client_id)


class Authentication(models.Model):
    """How the user who allowed a code had signed in, for the ID tokens from this code."""

    #: `oauth.validator.family_of` the code: the family of the refresh tokens from it.
    family = models.UUIDField(primary_key=True)
    #: Unix seconds
    auth_time = models.BigIntegerField()
    amr = models.JSONField(default=list)
    acr = models.CharField(max_length=100, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.family)

    def claims(self) -> dict[str, Any]:
        """Return the claims that have a value."""
        claims = {"auth_time": self.auth_time, "amr": self.amr, "acr": self.acr}
        return {name: value for name, value in claims.items() if value}


def remember(user: Any, application: oauth2.Application, scope: str) -> None:
    """Add the scopes of a code to the consent, and record that it was given."""
    consent, _ = Consent.objects.get_or_create(user=user, application=application)
    was_asked = not application.skip_authorization
    before = consent.scopes if consent.was_asked == was_asked else []
    consent.scopes, consent.was_asked = sorted({*before, *scope.split()}), was_asked
    consent.save()
    record("consent-given", sub=user.pk, client_id=application.client_id, scope=scope)


@receiver(post_save, sender=oauth2.Grant)
def on_code(instance: oauth2.Grant, created: bool, **kwargs: Any) -> None:
    if created:
        remember(instance.user, instance.application, instance.scope)


@receiver(post_save, sender=oauth2.DeviceGrant)
def on_device(instance: oauth2.DeviceGrant, update_fields: Any, **kwargs: Any) -> None:
    if update_fields == {"status"} and instance.status == oauth2.DeviceGrant.AUTHORIZED:
        application = oauth2.Application.objects.get(client_id=instance.client_id)
        remember(instance.user, application, instance.scope)
    if update_fields == {"status"} and instance.status == oauth2.DeviceGrant.DENIED:
        of = {"sub": instance.user_id, "client_id": instance.client_id, "scope": instance.scope}
        record("consent-denied", outcome="access_denied", **of)
