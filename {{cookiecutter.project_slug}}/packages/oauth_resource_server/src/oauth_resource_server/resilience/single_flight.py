"""Single flight: threads that need the same answer at the same time share one request."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Generic, TypeVar

from oauth_resource_server import metrics
from oauth_resource_server.errors import AuthorizationServerUnavailable
from oauth_resource_server.resilience.bulkhead import remaining

T = TypeVar("T")


@dataclass(eq=False)
class _Flight(Generic[T]):
    """One request. `retry` is the request that follows a failed one."""

    is_retry: bool = False
    landed: Event = field(default_factory=Event)
    result: T = field(init=False)
    error: BaseException | None = None
    retry: "_Flight[T] | None" = None


class SingleFlight(Generic[T]):
    """Lets one thread per key make a request while the others wait for its result.

    The first thread leads. The threads that come before it has finished follow: each waits for its
    result until its own deadline. An error of the leader is not passed on, because the leader may
    have had less time left. One follower retries, for all of them and for threads that come
    meanwhile, and its outcome is passed on: 200 followers of a failed leader make one more request.
    Results are not stored: the next thread leads again.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._flights: dict[bytes, _Flight[T]] = {}

    def __call__(self, key: bytes, request: Callable[[], T]) -> T:
        """Return the result of `request`, called in this thread or in another one."""
        with self._lock:
            leads = key not in self._flights
            flight = self._flights.setdefault(key, _Flight())
        if leads:
            return self._lead(key, flight, request)
        metrics.shared_flights.inc()
        return self._follow(key, flight, request)

    def __contains__(self, key: bytes) -> bool:
        return key in self._flights

    def _lead(self, key: bytes, flight: _Flight[T], request: Callable[[], T]) -> T:
        try:
            flight.result = request()
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
        self, key: bytes, flight: _Flight[T], request: Callable[[], T], *, again: bool = False
    ) -> T:
        if not flight.landed.wait(max(0, remaining())):
            raise AuthorizationServerUnavailable("Another request has not got the answer in time")
        if flight.error is None:
            return flight.result
        if flight.is_retry or again:
            if not isinstance(flight.error, Exception):
                raise AuthorizationServerUnavailable("Another request was stopped")
            raise copy(flight.error)  # One object would collect the tracebacks of all threads.
        with self._lock:
            leads = flight.retry is None
            if flight.retry is None:
                # A later thread may lead a flight for this key already. Its result will do.
                leads = key not in self._flights
                flight.retry = self._flights.setdefault(key, _Flight(is_retry=True))
        if leads:
            return self._lead(key, flight.retry, request)
        return self._follow(key, flight.retry, request, again=True)
