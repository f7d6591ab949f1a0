"""The local user of a person, known by issuer and subject; made when it is first touched."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q, QuerySet

from oauth_resource_server.errors import ResourceOwnerRefused
from oauth_resource_server.tokens import AccessToken

# A narrow token must not become an administrator, and a row may be promoted after it was made.
# `AbstractResourceOwner.refuses_tokens` is the same rule for a row at hand.
REFUSES_TOKENS = Q(is_active=False) | Q(is_staff=True) | Q(is_superuser=True)


class AbstractResourceOwner(AbstractUser):
    """What a resource server knows of a person; to be extended as its ``AUTH_USER_MODEL``.

    Accounts that are made here (``createsuperuser``) have no `sub`, and no token ever finds them.
    A ``Meta`` of the extension must inherit from this one, which holds the constraint.

    Attributes:
        issuer: The authorization server that `sub` belongs to.
        sub: The person there; never changes, and is never given to somebody else.
        name: What the person is called there, as of the last token: to show, never to look up.
        username: For a person, a UUID made from issuer and sub, so that it meets no other.
    """

    issuer = models.CharField(max_length=255, blank=True, default="", editable=False)
    # NULL and not "" for a local account: NULLs may repeat in the constraint. One with a condition
    # would do so too, but SQLite does not use its index to find a row.
    sub = models.CharField(max_length=255, null=True, default=None, editable=False)  # noqa: DJ001
    name = models.CharField(max_length=255, blank=True, default="")

    class Meta(AbstractUser.Meta):
        abstract = True
        constraints = (
            models.UniqueConstraint(
                fields=["issuer", "sub"], name="%(app_label)s_%(class)s_issuer_and_sub"
            ),
        )

    def __str__(self) -> str:
        return self.name or self.username

    @property
    def refuses_tokens(self) -> bool:
        """Whether no token may be used in its name."""
        return not self.is_active or self.is_staff or self.is_superuser


def username_of(issuer: str, sub: str) -> str:
    """Return the local username of a person. An issuer has no fragment (RFC 8414 section 2)."""
    return str(uuid5(NAMESPACE_URL, f"{issuer}#{sub}"))


def local_user(access_token: AccessToken) -> AbstractResourceOwner:
    """Return the row of the person behind `access_token`; make it if this is the first time.

    Raises:
        ResourceOwnerRefused: It is deactivated, or has become a staff account.
    """
    issuer, sub = access_token.iss, access_token.sub
    name = (access_token.username or "")[:255]
    user: AbstractResourceOwner
    user, _ = _users().get_or_create(
        issuer=issuer,
        sub=sub,
        defaults={
            "username": username_of(issuer, sub),
            "name": name,
            "password": lambda: make_password(None),
        },
    )
    if user.refuses_tokens:
        raise ResourceOwnerRefused(f"The local account {user.username} may not use a token.")
    if name and user.name != name:
        user.name = name
        user.save(update_fields=["name"])
    return user


def is_refused(access_token: AccessToken) -> bool:
    """Return whether there is a row of the person behind `access_token` that refuses its tokens."""
    # The rule of an issuer goes by a name or an address, which people may choose: it alone must not
    # let a deactivated one back in. A client id as `sub` is no person's.
    if access_token.is_machine and access_token.sub == access_token.client_id:
        return False
    mine = _users().filter(issuer=access_token.iss, sub=access_token.sub)
    return mine.filter(REFUSES_TOKENS).exists()


def _users() -> QuerySet[Any]:
    return get_user_model()._default_manager.all()
