"""What this resource server keeps. `Item` is an example to be changed or replaced."""

from django.core.validators import MaxValueValidator
from django.db import models

from oauth_resource_server.users import AbstractResourceOwner


class ResourceOwner(AbstractResourceOwner):
    """A person, known by (issuer, sub). The row is made when something first needs it."""


class Item(models.Model):
    """A thing that belongs to whoever the token speaks for.

    The owner is (issuer, sub) and not a foreign key, because a client that acts for itself owns
    items too, and because no request then waits for a row of `ResourceOwner`.
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
