"""The events as an append-only table, when AUDIT_DAYS asks for it, and the chain that seals them.

Triggers refuse UPDATE, TRUNCATE, and DELETE before `expires` (migration 0001).
"""

import hashlib
import hmac
import json
from typing import Any

from django.db import models
from django.utils import timezone


class Event(models.Model):
    """What `audit.recording.record` has written to the log as well. "" stands for no value."""

    id = models.BigAutoField(primary_key=True)
    time = models.DateTimeField(default=timezone.now, db_index=True)
    expires = models.DateTimeField()
    event = models.CharField(max_length=50)
    #: "ok", or why it was refused: an error code of RFC 6749 where there is one.
    outcome = models.CharField(max_length=255)
    sub = models.CharField(max_length=255, blank=True)
    act = models.CharField(max_length=255, blank=True)
    client_id = models.CharField(max_length=255, blank=True)
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.event} #{self.pk}"

    def as_json(self) -> str:
        """Return all columns on one line, in a form that never changes: it is what is sealed."""
        values = {field.attname: getattr(self, field.attname) for field in self._meta.fields}
        times = {name: values[name].isoformat() for name in ("time", "expires")}
        return json.dumps(values | times, sort_keys=True)

    def digest(self) -> str:
        """Return the SHA-256 of `as_json`, in hexadecimal."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()


class Seal(models.Model):
    """A link of the chain: an event, and the link before it.

    It has what is needed to verify it after retention has deleted the event.
    """

    position = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(Event, models.DO_NOTHING, db_constraint=False)
    expires = models.DateTimeField()
    digest = models.CharField(max_length=64)
    #: `mac` of the position before; "" at position 1.
    previous = models.CharField(max_length=64, blank=True)
    mac = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.position}:{self.mac}"

    def mac_with(self, key: str) -> str:
        """Return the HMAC-SHA-256 of the other columns, in hexadecimal."""
        values: list[Any] = [self.position, self.event_id, self.expires.isoformat()]
        text = json.dumps([*values, self.digest, self.previous])
        return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
