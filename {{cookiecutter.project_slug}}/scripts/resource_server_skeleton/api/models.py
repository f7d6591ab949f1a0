"""The tables of this resource server. `Item` is an example to change or replace."""

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator
from django.db import models


class ResourceOwner(AbstractUser):
    """The user of a person; `oauth_resource_server.models.LinkedUser` knows issuer and subject."""


class Item(models.Model):
    """A thing that belongs to the subject of an access token.

    The owner is (issuer, sub) and not a foreign key to a user, because clients own items too.
    """

    issuer = models.CharField(max_length=255, editable=False)
    sub = models.CharField(max_length=255, editable=False)
    name = models.CharField(max_length=100)
    quantity = models.PositiveIntegerField(default=1, validators=[MaxValueValidator(1_000_000)])
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["issuer", "sub", "name"], name="item_name_per_owner"),
        ]
        indexes = [models.Index(fields=["issuer", "sub", "-created", "-id"], name="items_of_owner")]

    def __str__(self) -> str:
        return self.name
