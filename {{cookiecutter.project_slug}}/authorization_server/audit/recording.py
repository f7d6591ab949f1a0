"""Write an event: to the logger `security`, and to the table when AUDIT_DAYS asks for it.

docs/operations.md lists the events. None has a password, token, code, secret or e-mail address.
"""

import json
import logging
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from allauth.core import context
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, close_old_connections, transaction
from django.utils import timezone
from prometheus_client import Counter

from audit.models import Event
from service_kit.request_id import current_id, current_meta, sender

OK = "ok"
# Refusals of one kind that a process writes in a row, and seconds until it may write one more: a
# flood must not fill the disk. Those between are counted.
BURST, SECONDS = 60, 1.0
MAX_ITEMS = 100  # of a list

logger = logging.getLogger("security")
counter = Counter("security_events", "Events", ["event"], namespace="authorization_server")
writer = ThreadPoolExecutor(1)
_lock = threading.Lock()
# By event: when its bucket is full again, and the number of refusals that were left out.
_refusals: dict[str, tuple[float, int]] = {}


class Line(dict[str, Any]):
    """The members of an event: those of a JSON line in production, text in development."""

    def __str__(self) -> str:
        shown = ((name, str(value)) for name, value in self.items())
        # A client chooses some values, and none may look like another member.
        return " ".join(f"{k}={json.dumps(v) if set(v) & set(' =') else v}" for k, v in shown)


def record(
    event: str, *, outcome: str = OK, sub: Any = None, client_id: Any = None, **details: Any
) -> None:
    """Write an event; one of success when the transaction is committed.

    Args:
        outcome: "ok", or why it was refused: an error code of RFC 6749 where there is one.
        sub: The id of the user that it is about.
        client_id: Of a refused client, the one that it claims.
        details: Other members.
    """
    counter.labels(event).inc()
    if outcome != OK:
        details["left_out"] = take(event)
        if details["left_out"] is None:
            return
    columns = {"event": event, "outcome": outcome, "sub": sub, "act": actor(sub)}
    columns |= {"client_id": client_id, "address": sender(current_meta())}
    columns["request_id"] = current_id()
    columns, details = ({k: clean(v) for k, v in each.items() if v} for each in (columns, details))
    line = Line(columns | details)
    if outcome == OK:
        transaction.on_commit(partial(logger.info, line))
    else:
        logger.warning(line)
    if settings.AUDIT_DAYS:
        expires = timezone.now() + timedelta(days=settings.AUDIT_DAYS)
        store(Event(**columns, details=details, expires=expires))


def take(event: str) -> int | None:
    """Return how many refusals were left out before this one; None if it is to be left out too."""
    with _lock:
        full_at, left_out = _refusals.get(event, (0.0, 0))
        full_at = max(full_at, monotonic())
        if full_at > monotonic() + (BURST - 1) * SECONDS:
            _refusals[event] = full_at, left_out + 1
            return None
        _refusals[event] = full_at + SECONDS, 0
        return left_out


def actor(sub: Any) -> str:
    """Return who acts, if another than the subject (RFC 8693 section 4.1).

    That is the `sub` of an administrator, or the name of a command.
    """
    request = context.request
    if request is None:
        return "" if current_meta() else ":".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    match, actor = request.resolver_match, request.user.pk
    return str(actor) if match and match.app_name == "admin" and actor not in (None, sub) else ""


def clean(value: Any) -> Any:
    """Return `value` bounded, and as printable ASCII: PostgreSQL stores neither NUL nor halves."""
    if isinstance(value, list | tuple):
        return [clean(one) for one in value[:MAX_ITEMS]]
    return value if isinstance(value, int) else re.sub(r"[^ -~]", "?", str(value))[:255]


def store(event: Event) -> None:
    """Insert the row in the current transaction; for an event loop, in a thread."""
    try:
        event.save(force_insert=True)
    except SynchronousOnlyOperation:
        writer.submit(store_alone, event)


def store_alone(event: Event) -> None:
    """Insert the row, for which the response does not wait."""
    close_old_connections()
    try:
        event.save(force_insert=True)
    except DatabaseError as error:
        logger.error("The event %s could not be stored: %s", event.event, error)
