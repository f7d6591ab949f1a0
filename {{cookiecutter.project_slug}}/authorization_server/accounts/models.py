"""The user model: an e-mail address to sign in with, and a UUID as the identifier in tokens.

A deactivation and a new password end what the account had: sessions, tokens and codes.
"""

import time
import uuid
from typing import Any

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.auth.signals import user_logged_in
from django.db import models, transaction
from django.dispatch import Signal, receiver
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import get_random_string

consent_withdrawn = Signal()  # with `user`
AUTH_TIME = "auth_time"  # in a session: when its user signed in, in Unix seconds


class LowerCaseEmailField(models.EmailField):
    """An e-mail address that is stored in lower case.

    Django calls ``to_python`` for lookups as well, so that they are case-insensitive and use the
    index on every database.
    """

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return value.lower() if isinstance(value, str) else value


class UserQuerySet(models.QuerySet[Any]):
    def update(self, **fields: Any) -> int:
        """Also end the tokens and codes of users who are deactivated by it, as `User.save` does."""
        with transaction.atomic(using=self.db):
            users = list(self) if fields.get("is_active") is False else []
            count = super().update(**fields)
            for user in users:
                user.revoke_everything()
        return count


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Create users and administrators; ``createsuperuser`` uses it too."""

    def create_user(
        self, email: str, password: str | None = None, *, verified: bool = False, **fields: Any
    ) -> "User":
        """Create a user.

        Args:
            email: The address to sign in with.
            password: Without one, the user cannot sign in until one is set.
            verified: Whether the address is known to be the user's. If not, a code is mailed to it
                at the first sign-in.
            fields: Of the model.
        """
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.full_clean()
        with transaction.atomic(using=self._db):
            user.save(using=self._db)
            if verified:
                user.verify_email()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user with all permissions on the administration site."""
        fields |= {"is_staff": True, "is_superuser": True}
        return self.create_user(email, password, verified=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A user. `id` is the ``sub`` of tokens: it never changes and is never reused."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = LowerCaseEmailField("e-mail address", unique=True)
    name = models.CharField("full name", max_length=150, blank=True)
    is_staff = models.BooleanField(
        "staff status", default=False, help_text="May open the administration site."
    )
    is_active = models.BooleanField(
        "active",
        default=True,
        help_text="Unselect this instead of deleting an account: it ends every session and token.",
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    session_salt = models.CharField(max_length=16, default="", editable=False)
    # Of a sign-up, until the first sign-in. `clear_tokens` deletes it after a day.
    unverified_since = models.DateTimeField(null=True, editable=False, db_index=True)

    objects = UserManager()

    USERNAME_FIELD = "email"

    def __str__(self) -> str:
        return self.email

    def save(self, **kwargs: Any) -> None:
        """Also end sessions, tokens and codes when the user is inactive or has a new password."""
        # Django sets `_password` to a new password until the user is saved, and to None when it
        # only stores the same password by a better hash.
        ends = not self._state.adding and (not self.is_active or self._password is not None)
        if ends:
            self.session_salt = get_random_string(16)
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "session_salt"}
        with transaction.atomic():
            super().save(**kwargs)
            if ends:
                self.revoke_everything()

    @property
    def email_verified(self) -> bool:
        """Whether the user has entered a code that was mailed to the address."""
        from allauth.account.models import EmailAddress  # It needs this model.

        mine = EmailAddress.objects.filter(user=self, email=self.email, verified=True)
        return bool(mine.exists())

    def verify_email(self) -> None:
        """Make the address of this user the only one that django-allauth knows, and verified."""
        from allauth.account.models import EmailAddress  # It needs this model.

        EmailAddress.objects.filter(user=self).delete()
        EmailAddress.objects.create(user=self, email=self.email, verified=True, primary=True)

    def end_sessions(self) -> None:
        """End every session and token of this user."""
        self.session_salt = get_random_string(16)
        with transaction.atomic():
            super().save(update_fields=["session_salt"])
            self.revoke_everything()

    def revoke_everything(self) -> int:
        """Delete access tokens, ID tokens, codes and consents, and revoke refresh tokens.

        Return the number of access tokens.
        """
        from oauth2_provider import models as oauth2  # It needs this model.

        # Before the tokens: a request that is storing some holds the consent.
        consents, _ = apps.get_model("oauth", "Consent").objects.filter(user=self).delete()
        access, refresh = revoke(
            oauth2.AccessToken.objects.filter(user=self),
            oauth2.RefreshToken.objects.filter(user=self),
        )
        others = (oauth2.IDToken, oauth2.Grant, oauth2.DeviceGrant)
        deleted = [model.objects.filter(user=self).delete()[0] for model in others]
        if consents + access + refresh + sum(deleted):
            consent_withdrawn.send(User, user=self)
        return access

    def set_unusable_password(self) -> None:
        """Count as a new password."""
        super().set_unusable_password()
        self._password = ""

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return what a session must hold to be valid: a part of it changes when sessions end."""
        password_hash = super()._get_session_auth_hash(secret)  # type: ignore[misc]
        return f"{password_hash}{self.session_salt}"

    def get_full_name(self) -> str:
        """Return the name, or the e-mail address if there is no name."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """Return the full name, with which the administration site greets."""
        return self.get_full_name()


@receiver(user_logged_in)
def note_auth_time(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Note in the session when it began (OpenID Connect Core sections 2 and 3.1.2.1)."""
    request.session[AUTH_TIME] = time.time()
    if user.unverified_since:
        user.unverified_since = None
        user.save(update_fields=["unverified_since"])


@transaction.atomic
def revoke(
    access_tokens: models.QuerySet[Any], refresh_tokens: models.QuerySet[Any]
) -> tuple[int, int]:
    """Delete access tokens, and mark refresh tokens as revoked; return the numbers of both.

    Revoked refresh tokens stay in the table, to detect their reuse (RFC 9700 section 4.14.2).
    """
    now = timezone.now()
    revoked = refresh_tokens.filter(revoked=None).update(revoked=now, updated=now)
    _, deleted = access_tokens.delete()
    return deleted.get(access_tokens.model._meta.label, 0), revoked


class RateLimit(models.Model):
    """A row of `accounts.rate_limits`: when the bucket of `key` is full again, in Unix seconds."""

    key = models.CharField(max_length=64, primary_key=True)
    full_at = models.FloatField(db_index=True)

    def __str__(self) -> str:
        return self.key


class CacheEntry(models.Model):
    """The table of the default cache, with the columns that Django's DatabaseCache asks for."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.cache_key
