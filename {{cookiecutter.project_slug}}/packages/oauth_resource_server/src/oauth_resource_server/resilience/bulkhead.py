"""Bulkhead: bounds the threads that wait for authorization servers, and how long they may."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from threading import Condition

from oauth_resource_server.errors import AuthorizationServerSkipped, AuthorizationServerUnavailable

PATIENCE_SECONDS = 0.5
_end: ContextVar[float] = ContextVar("end", default=inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Set the deadline of the block, unless an outer one is earlier."""
    token = _end.set(min(_end.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _end.reset(token)


def remaining() -> float:
    """Return the seconds until the deadline; negative after it, infinite without one."""
    return _end.get() - time.monotonic()


@dataclass(slots=True)
class _Queue:
    inside: int = 0  # threads with a slot
    moved_at: float = 0.0  # time of the last answer
    stalls: bool = False  # whether the last request met an outage


class Bulkhead:
    """Keeps threads free for requests that need no introspection.

    When all slots are taken, the next thread waits while its issuer answers the threads inside. If
    the issuer has not answered for `patience` seconds, or its last request met an outage, threads
    that find no slot are rejected immediately, until a thread with a slot gets an answer again.

    All issuers share the slots. An issuer whose last request met an outage leaves `reserved` slots
    to the others. `seconds` is the deadline from the request for a slot to the answer.
    """

    def __init__(self, slots: int = 4, seconds: float = 3, reserved: int = 0) -> None:
        self._slots = slots
        self._seconds = seconds
        self._reserved = reserved
        self._changed = Condition()
        self._inside = 0
        self._queues: dict[str, _Queue] = {}
        self._is_calm = True  # The last request of no issuer met an outage.

    @property
    def stalls(self) -> bool:
        """Whether the last request of an issuer met an outage, or waits for long."""
        if self._is_calm and not self._inside:  # As nearly always.
            return False
        early = time.monotonic() - PATIENCE_SECONDS
        queues = list(self._queues.values())
        return any(one.stalls or (one.inside and one.moved_at < early) for one in queues)

    @contextmanager
    def slot(self, issuer: str = "", patience: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Take a slot, and set the deadline of everything in the block.

        `patience` is how many seconds to wait while the issuer answers no other thread.

        Raises:
            AuthorizationServerSkipped: There was no free slot.
        """
        with within(self._seconds):
            queue = self._enter(issuer, patience)
            stalls = False
            try:
                yield
            except AuthorizationServerUnavailable:
                stalls = True
                raise
            finally:
                self._leave(queue, stalls)

    def _enter(self, issuer: str, patience: float) -> _Queue:
        with self._changed:
            queue = self._queues.setdefault(issuer, _Queue())
            if not queue.inside and not queue.stalls:
                queue.moved_at = time.monotonic()
            while not self._has_slot_for(queue):
                seconds = queue.moved_at + patience - time.monotonic()
                if min(seconds, remaining()) <= 0:
                    raise AuthorizationServerSkipped("Too many requests wait for it already")
                self._changed.wait(min(seconds, remaining()))
            self._inside += 1
            queue.inside += 1
            return queue

    def _has_slot_for(self, queue: _Queue) -> bool:
        most = max(1, self._slots - self._reserved) if queue.stalls else self._slots
        return self._inside < self._slots and queue.inside < most

    def _leave(self, queue: _Queue, stalls: bool) -> None:
        with self._changed:
            self._inside -= 1
            queue.inside -= 1
            queue.stalls = stalls
            self._is_calm = not any(one.stalls for one in self._queues.values())
            if not stalls:
                queue.moved_at = time.monotonic()
            # `notify` could wake a thread whose issuer must leave the slot to others.
            self._changed.notify_all()
