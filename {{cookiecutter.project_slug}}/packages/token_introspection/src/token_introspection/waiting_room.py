"""How many threads of a process may wait for the authorization server at once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from token_introspection.deadlines import remaining, within
from token_introspection.errors import AuthorizationServerNotAsked

PATIENCE_SECONDS = 0.5


class WaitingRoom:
    """Keeps threads free for requests that need no introspection.

    `places` threads may wait, each for up to `seconds` in all. When every place is taken, the next
    one waits at the door, where it makes a difference whether the room moves: as long as somebody
    in there got an answer within the last half second, a place will soon be free. Otherwise the
    authorization server stalls, and whoever comes is turned away at once.

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

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place, and set the deadline of everything that is done there.

        Raises:
            AuthorizationServerNotAsked: There was none.
        """
        with within(self._seconds):
            self._enter()
            moved = False
            try:
                yield
                moved = True
            finally:
                self._leave(moved)

    def _enter(self) -> None:
        with self._door:
            if not self._inside:
                self._moved_at = time.monotonic()
            while self._inside >= self._places:
                seconds = self._moved_at + PATIENCE_SECONDS - time.monotonic()
                if min(seconds, remaining()) <= 0:
                    raise AuthorizationServerNotAsked("Too many requests wait for it already")
                self._door.wait(min(seconds, remaining()))
            self._inside += 1

    def _leave(self, moved: bool) -> None:
        with self._door:
            self._inside -= 1
            if moved:
                self._moved_at = time.monotonic()
            self._door.notify()
