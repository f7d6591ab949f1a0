"""Single flight: threads that need the same answer at the same time ask once."""

from collections.abc import Callable
from copy import copy
from threading import Event, Lock
from typing import Generic, TypeVar

from oauth_resource_server import metrics
from oauth_resource_server.errors import AuthorizationServerUnavailable
from oauth_resource_server.resilience.deadline import remaining

T = TypeVar("T")


class _Flight(Generic[T]):
    """One question on its way; `retry` is the one that follows when it has failed."""

    def __init__(self, *, is_retry: bool = False) -> None:
        self.is_retry = is_retry
        self.landed = Event()
        self.result: T
        self.error: BaseException | None = None
        self.retry: _Flight[T] | None = None


class SingleFlight(Generic[T]):
    """Lets one thread ask about a key while the others wait for what it brings.

    The rule, for the threads that meet in one process:

    - The first one leads. What it brings is for all that came in the meantime.
    - A follower waits no longer than its own deadline.
    - A leader that fails, fails alone: it may have run out of its own time. One of its followers
      asks once more, for all of them and for whoever comes meanwhile, and the outcome of that,
      answer or error, is everybody's: 200 followers of a failed leader are one more question.
      When the breaker is open, that one costs nothing either.
    - Nothing outlives its flight: the next one to come leads again.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._flights: dict[bytes, _Flight[T]] = {}

    def __call__(self, key: bytes, ask: Callable[[], T]) -> T:
        """Return what `ask` returns here or in another thread.

        Raises:
            AuthorizationServerUnavailable: The time of this thread was over before.
        """
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if leads:
            return self._lead(key, flight, ask)
        metrics.shared_flights.inc()
        return self._follow(key, flight, ask)

    def __contains__(self, key: bytes) -> bool:
        """Return whether somebody asks about it at this moment."""
        return key in self._flights

    def _lead(self, key: bytes, flight: _Flight[T], ask: Callable[[], T]) -> T:
        try:
            flight.result = ask()
        except BaseException as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
            flight.landed.set()
        return flight.result

    def _follow(
        self, key: bytes, flight: _Flight[T], ask: Callable[[], T], *, again: bool = False
    ) -> T:
        if not flight.landed.wait(max(0, remaining())):
            raise AuthorizationServerUnavailable("Another request has not got the answer in time")
        if flight.error is None:
            return flight.result
        if flight.is_retry or again:
            raise _own(flight.error)
        with self._lock:
            leads = flight.retry is None
            if flight.retry is None:
                # Who has come since then may be leading a flight already: that will do as well.
                leads = key not in self._flights
                flight.retry = self._flights.setdefault(key, _Flight(is_retry=True))
        if leads:
            return self._lead(key, flight.retry, ask)
        return self._follow(key, flight.retry, ask, again=True)


def _own(error: BaseException) -> Exception:
    """Return the error for another thread. One object would collect the tracebacks of all."""
    if isinstance(error, Exception):
        return copy(error)
    return AuthorizationServerUnavailable("Another request was stopped before it got the answer")
