"""How many threads of a process may wait for authorization servers at once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition

from oauth_resource_server.errors import (
    AuthorizationServerSkipped,
    AuthorizationServerUnavailable,
)
from oauth_resource_server.resilience.deadline import remaining, within

PATIENCE_SECONDS = 0.5


@dataclass(slots=True)
class _Queue:
    """How many wait for one issuer, when one got an answer, and whether the last one did not."""

    inside: int = 0
    moved_at: float = 0.0
    stalls: bool = False


class Bulkhead:
    """Keeps threads free for requests that need no introspection.

    `places` threads may wait, each for up to `seconds` in all. When every place is taken, the next
    one waits at the door, where it makes a difference whether its issuer answers: while those who
    wait for it get answers, a place will soon be free. When there was none for `patience` seconds
    the issuer stalls, and whoever comes for it is turned away at once, until somebody who found a
    place gets an answer again.

    All issuers share the places. One whose last question met an outage leaves `reserved` of them to
    the others. So it is in their way once, for as long as that question takes.

    Args:
        places: Threads; at most half of those that the process has.
        seconds: From the door to the answer.
        reserved: Places; where there is one issuer only, 0.
    """

    def __init__(self, places: int = 4, seconds: float = 3, reserved: int = 0) -> None:
        self._places = places
        self._seconds = seconds
        self._reserved = reserved
        self._door = Condition()
        self._inside = 0
        self._queues: dict[str, _Queue] = {}

    @contextmanager
    def place(self, issuer: str = "", patience: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Take a place, and set the deadline of everything that is done there.

        Args:
            issuer: Who is waited for.
            patience: Seconds to wait at the door while nobody who waits for it gets an answer.

        Raises:
            AuthorizationServerSkipped: There was none.
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
        with self._door:
            queue = self._queues.setdefault(issuer, _Queue())
            if not queue.inside and not queue.stalls:
                queue.moved_at = time.monotonic()
            while not self._has_place_for(queue):
                seconds = queue.moved_at + patience - time.monotonic()
                if min(seconds, remaining()) <= 0:
                    raise AuthorizationServerSkipped("Too many requests wait for it already")
                self._door.wait(min(seconds, remaining()))
            self._inside += 1
            queue.inside += 1
            return queue

    def _has_place_for(self, queue: _Queue) -> bool:
        most = max(1, self._places - self._reserved) if queue.stalls else self._places
        return self._inside < self._places and queue.inside < most

    def _leave(self, queue: _Queue, stalls: bool) -> None:
        with self._door:
            self._inside -= 1
            queue.inside -= 1
            queue.stalls = stalls
            if not stalls:
                queue.moved_at = time.monotonic()
            # Not one of them: it might wait for another issuer, and still have to.
            self._door.notify_all()
