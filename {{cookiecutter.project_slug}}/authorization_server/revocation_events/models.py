"""The table of events. Rows are never changed, and are deleted with the tokens they are about."""

import uuid
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class CurrentTransaction(models.Func):
    """The number of the current transaction on PostgreSQL; 0 on a database with one writer."""

    output_field = models.BigIntegerField()

    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        return "0", []

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper, **kwargs: Any) -> Any:
        # Not the system column xmin, which is the number of a savepoint.
        return "pg_current_xact_id()::text::bigint", []


class Event(models.Model):
    """Something that has ended access tokens before their time."""

    class Kind(models.TextChoices):
        """What `value` is: the SHA-256 of a token in hexadecimal, a client_id, or empty."""

        TOKEN = "token"  # noqa: S105
        CLIENT = "client"
        #: Everything that the resource servers remember.
        RESET = "reset"

    # AUTOINCREMENT on SQLite: a number is never used again after old rows are deleted.
    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    value = models.CharField(max_length=255, blank=True)
    #: The names of the resource servers for which the tokens were good.
    resource_servers = models.JSONField()
    #: `CurrentTransaction`. Events of a later transaction may be visible before earlier ones.
    transaction = models.BigIntegerField(db_index=True)
    #: When the last token has expired that the event is about.
    expires = models.DateTimeField(db_index=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "revocation event"

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class Epoch(models.Model):
    """One row that tells this table from that of another database."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    def __str__(self) -> str:
        return str(self.pk)
