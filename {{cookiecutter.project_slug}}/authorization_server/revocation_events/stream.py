"""The events in the memory of a process, kept up to date by one thread with one connection.

A position is what a receiver has seen: ``epoch.process.number.horizon``. The process that wrote it
goes on after `number`. Any other process, or the same after a restart, repeats the events of
transactions from `horizon` on: a repeated event does no harm, and a lost one would. The epoch of a
resource server changes with its manifest as well: it then has to forget what it remembers.
"""

import asyncio
import hashlib
import json
import logging
import random
import secrets
import threading
import time
from collections import deque
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

from django.db import Error, connection

from client_registry.manifests import resource_servers
from revocation_events.models import Epoch, Event
from revocation_events.raising import CHANNEL

KEPT = 20_000  # events in memory; a receiver that is further behind has to begin anew
LOOK_SECONDS = 0.2  # between two looks at the table
POSTGRESQL_LOOK_SECONDS = 1.0  # it also wakes the reader
MAX_BACKOFF = 5.0
READY_SECONDS = 5.0  # after the last look; without one, nothing is vouched for
# Transactions by which another process may have read further than this one.
AHEAD = {"postgresql": 10_000}

# Everything since the last horizon, and the next one from the same snapshot: no transaction below
# it is under way. Rows from the future are those of another cluster, after a restore.
WINDOW = """
SELECT pg_snapshot_xmin(s.s)::text::bigint,
       e.id, e.transaction, e.kind, e.value, e.resource_servers, e.created
FROM (SELECT pg_current_snapshot() AS s) AS s
LEFT JOIN revocation_events_event AS e
       ON e.transaction >= %s AND e.transaction < pg_snapshot_xmax(s.s)::text::bigint
ORDER BY e.transaction, e.id
"""

logger = logging.getLogger("revocation_events")


class Entry(NamedTuple):
    """An event in memory. `transaction` is the id of the row where the database has one writer."""

    number: int
    transaction: int
    kind: str
    value: str
    resource_servers: tuple[str, ...]
    created: datetime


class Position(NamedTuple):
    """What a receiver has seen."""

    epoch: str
    process: str
    number: int
    horizon: int

    def __str__(self) -> str:
        return ".".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """Return the position in `text`, None if it is not one."""
        parts = text.split(".") if len(text) <= 200 else []
        if len(parts) != 4 or not all(part.isascii() and part.isdecimal() for part in parts[2:]):
            return None
        return cls(parts[0], parts[1], int(parts[2]), int(parts[3]))


class News(NamedTuple):
    """Events for one resource server. With `reset`, events may be missing."""

    events: list[Entry]
    position: Position
    reset: bool = False
    more: bool = False


class Stream:
    """The events of the database, and the requests that wait for the next one."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        self.epoch = ""  # until the table has been read
        self.read_at = float("-inf")
        self.number = 0
        self.horizon = 0
        self.complete_from = 0  # the first transaction of which every event is in memory
        self.kept: deque[Entry] = deque()
        self.seen: dict[int, int] = {}  # transactions from the horizon on, by the id of a row
        self.waiting: set[asyncio.Future[None]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None

    # ---- In the event loop ----

    def start(self) -> None:
        """Start the reader, at the first request of this process."""
        if self.loop is None:
            self.loop = asyncio.get_running_loop()
            threading.Thread(target=self.read_forever, daemon=True, name="events").start()

    @property
    def is_ready(self) -> bool:
        """Whether the table has been read lately: otherwise an answer could miss events."""
        return time.monotonic() - self.read_at < READY_SECONDS

    def next_change(self) -> asyncio.Future[None]:
        """Return a future that is done when there are more events."""
        change = asyncio.get_running_loop().create_future()
        self.waiting.add(change)
        change.add_done_callback(self.waiting.discard)
        return change

    def wake(self) -> None:
        """Wake the requests that wait."""
        for change in list(self.waiting):
            if not change.done():
                change.set_result(None)

    def news(self, position: Position | None, name: str, limit: int) -> News:
        """Return what happened since `position` for a resource server, at most `limit` events."""
        epoch = f"{self.epoch}-{digest_of_manifest(name)}"
        now = Position(epoch, self.process, self.number, self.horizon)
        if position is None or position.epoch != epoch or not self.can_continue(position):
            return News([], now, reset=True)
        found = self.after(position)
        events = [entry for entry in found if name in entry.resource_servers]
        if len(events) <= limit:
            return News(events, now)
        events = events[:limit]
        # Another process must not skip what is left.
        position = Position(epoch, self.process, events[-1].number, position.horizon)
        return News(events, position, more=True)

    def can_continue(self, position: Position) -> bool:
        """Return whether every event since `position` is in memory."""
        ahead = position.horizon - self.horizon
        return position.horizon >= self.complete_from and ahead <= AHEAD.get(connection.vendor, 0)

    def after(self, position: Position) -> list[Entry]:
        """Return the events since `position`, and where it is of another process, some again."""
        if position.process != self.process:
            return [entry for entry in self.kept if entry.transaction >= position.horizon]
        missing = takewhile(lambda entry: entry.number > position.number, reversed(self.kept))
        return list(missing)[::-1]

    # ---- In the thread ----

    def read_forever(self) -> None:
        """Read what is new, again and again."""
        failures = 0
        while True:
            try:
                self.read()
                self.wait()
                failures = 0
            except Error as error:
                failures += 1
                if failures == 1:
                    logger.error("The events cannot be read: %s", " ".join(str(error).split()))
                connection.close()
                time.sleep(min(MAX_BACKOFF, 0.2 * 2**failures) * random.uniform(0.5, 1))  # noqa: S311

    def wait(self) -> None:
        """Wait for the next look."""
        if connection.vendor != "postgresql":
            time.sleep(LOOK_SECONDS)
            return
        raw: Any = connection.connection
        with connection.wrap_database_errors:
            for _ in raw.notifies(timeout=POSTGRESQL_LOOK_SECONDS, stop_after=1):
                pass

    def read(self) -> None:
        """Take over the events that have become visible since the last look."""
        if connection.connection is None:
            connection.ensure_connection()
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f"LISTEN {CHANNEL}")
        horizon, rows = self.window()
        fresh = [row for row in rows if row[0] not in self.seen]
        self.seen = {row[0]: row[1] for row in rows if row[1] >= horizon}
        is_first = not self.epoch
        epoch = self.epoch or epoch_of_the_database()
        # The loop reads these in between: a number or horizon means that its events are kept.
        if fresh:
            self.keep(fresh)
        self.horizon, self.epoch = horizon, epoch
        self.read_at = time.monotonic()
        if (fresh or is_first) and self.loop and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.wake)

    def window(self) -> tuple[int, list[tuple[Any, ...]]]:
        """Return the next horizon, and the rows of transactions from the last one on."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(WINDOW, [self.horizon])
                rows = cursor.fetchall()
            return rows[0][0], [row[1:] for row in rows if row[1] is not None]
        found = Event.objects.filter(id__gte=self.horizon).order_by("id")
        values = list(found.values_list("id", "id", "kind", "value", "resource_servers", "created"))
        return (values[-1][0] + 1 if values else self.horizon), values

    def keep(self, rows: list[tuple[Any, ...]]) -> None:
        """Append rows to the events in memory, of which the oldest give way."""
        kept, number = deque(self.kept), self.number
        for _, transaction, kind, value, names, created in rows:
            number += 1
            names = json.loads(names) if isinstance(names, str) else names
            kept.append(Entry(number, transaction, kind, value, tuple(names), created))
            if len(kept) > KEPT:
                self.complete_from = max(self.complete_from, kept.popleft().transaction + 1)
        self.kept = kept
        self.number = number


def digest_of_manifest(name: str) -> str:
    """Return what changes with the scopes and the audience of a resource server.

    A scope or an audience that is taken away ends no token, but what is remembered of tokens.
    """
    server = resource_servers()[name]
    text = "\n".join([server.audience, *sorted(server.scopes)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def epoch_of_the_database() -> str:
    """Return what tells this table from that of any other database, also after a restore."""
    epoch = Epoch.objects.first() or Epoch.objects.create()
    identity = ""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
            identity = f"-{cursor.fetchone()[0]}"
    return f"{epoch.pk.hex}{identity}"
