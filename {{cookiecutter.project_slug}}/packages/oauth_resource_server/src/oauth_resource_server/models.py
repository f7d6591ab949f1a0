"""The table that links a person of an issuer to a user of this project."""

from django.conf import settings
from django.db import models


class LinkedUser(models.Model):
    """The user that the person ``(issuer, sub)`` is in this project.

    A user may have several rows, one for each issuer. To link a person beforehand, create a row::

        LinkedUser.objects.create(issuer="https://as.example.com", sub="alice", user=user)
    """

    issuer = models.CharField(
        max_length=255, help_text="`iss` of the access tokens, character by character."
    )
    sub = models.CharField(
        "subject", max_length=255, help_text="`sub` of the access tokens: never a name or address."
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="linked_users",
        help_text="Tokens of inactive, staff and superuser accounts are refused.",
    )
    name = models.CharField(
        max_length=255,
        blank=True,
        default="",
        editable=False,
        help_text="Name in the last access token. It is shown, never looked up.",
    )
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "sub"], name="linked_user_issuer_and_sub"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.sub} of {self.issuer}"
