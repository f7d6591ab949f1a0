"""Tables of this resource server. `Item` is an example to change or replace."""

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator
from django.db import models


class ResourceOwner(AbstractUser):
    """User of a person. `oauth_resource_server.models.LinkedUser` holds issuer and subject."""


class Item(models.Model):
    """A thing that belongs to the subject of an access token.

    Its owner is (issuer, sub) instead of a foreign key, because clients own items too.
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
