"""How many threads of a process may wait for the authorization server at once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from token_introspection.deadlines import remaining, within
from token_introspection.errors import (
    AuthorizationServerNotAsked,
    AuthorizationServerUnavailable,
)

PATIENCE_SECONDS = 0.5


class WaitingRoom:
    """Keeps threads free for requests that need no introspection.

    `places` threads may wait, each for up to `seconds` in all. When every place is taken, the next
    one waits at the door, where it makes a difference whether the room moves: while those in there
    get answers, a place will soon be free. When there was none for `patience` seconds the
    authorization server stalls, and whoever comes is turned away at once, until somebody who found
    a place gets an answer again.

    Args:
        places: Threads; at most half of those that the process has.
        seconds: From the door to the answer.
    """

    def __init__(self, places: int = 4, seconds: float = 3) -> None:
        self._places = places
        self._seconds = seconds
        self._door = Condition()
        self._inside = 0
        self._moved_at = 0.0
        self._stalls = False

    @contextmanager
    def place(self, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Take a place, and set the deadline of everything that is done there.

        Args:
            patience: Seconds to wait at the door while nobody inside gets an answer.

        Raises:
            AuthorizationServerNotAsked: There was none.
        """
        with within(self._seconds):
            self._enter(patience)
            stalls = False
            try:
                yield
            except AuthorizationServerUnavailable:
                stalls = True
                raise
            finally:
                self._leave(stalls)

    def _enter(self, patience: float) -> None:
        with self._door:
            if not self._inside and not self._stalls:
                self._moved_at = time.monotonic()
            while self._inside >= self._places:
                seconds = self._moved_at + patience - time.monotonic()
                if min(seconds, remaining()) <= 0:
                    raise AuthorizationServerNotAsked("Too many requests wait for it already")
                self._door.wait(min(seconds, remaining()))
            self._inside += 1

    def _leave(self, stalls: bool) -> None:
        with self._door:
            self._inside -= 1
            self._stalls = stalls
            if not stalls:
                self._moved_at = time.monotonic()
            self._door.notify()
