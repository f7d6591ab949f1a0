"""Circuit breaker: stops requests to an authorization server that does not answer."""

import logging
import time
from collections.abc import Callable
from math import ceil
from threading import Lock
from typing import TypeVar

from oauth_resource_server import errors, metrics

T = TypeVar("T")
FIRST_DELAY_SECONDS = 0.25

log = logging.getLogger(__name__)


class CircuitBreaker:
    """Fails in microseconds while the authorization server does not answer.

    Closed: requests pass. After `outages` outages in a row it opens: no request passes. After a
    delay it is half-open: one request passes as a probe. An answer closes the breaker, another
    outage doubles the delay, up to `max_delay` seconds. `url` is for errors and the log, `name` is
    the label of the metric.

    An outage is `AuthorizationServerUnavailable`: no answer at any address, 5xx or 429. All other
    answers close the breaker, also a refusal of the credentials: it comes fast, with the reason.
    """

    def __init__(
        self,
        *,
        outages: int = 5,
        max_delay: float = 2,
        url: str = "",
        name: str = "",
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = outages
        self._max_delay = max_delay
        self._url = url
        self._state = metrics.breaker_state.labels(name)
        self._timer = timer
        self._lock = Lock()
        self._outages = 0
        self._delay = FIRST_DELAY_SECONDS
        self._probe_at = 0.0
        self._probing = False

    def __call__(self, request: Callable[[], T]) -> T:
        """Return the result of `request`; while open, raise `AuthorizationServerSkipped`."""
        is_probe = self._admit()
        try:
            result = request()
        except errors.AuthorizationServerUnavailable as error:
            self._record_outage(is_probe, error)
            raise
        except errors.TokenValidationError:
            self._record_answer()
            raise
        finally:
            # Also after SystemExit the next probe must be possible.
            if is_probe:
                self._probing = False
        self._record_answer()
        return result

    def _admit(self) -> bool:
        if self._outages < self._limit:
            return False
        with self._lock:
            if self._outages < self._limit:
                return False
            seconds = self._probe_at - self._timer()
            if seconds <= 0 and not self._probing:
                self._probing = True
                self._state.set(metrics.HALF_OPEN)
                return True
        raise errors.AuthorizationServerSkipped(
            "The circuit is open", url=self._url, retry_after=max(1, ceil(seconds))
        )

    def _record_outage(self, is_probe: bool, error: errors.AuthorizationServerUnavailable) -> None:
        with self._lock:
            self._outages += 1
            opens = self._outages == self._limit
            if not opens and not is_probe:
                return  # Below the limit, or sent before the breaker opened.
            self._delay = FIRST_DELAY_SECONDS if opens else 2 * self._delay
            self._delay = min(self._delay, self._max_delay)
            self._probe_at = self._timer() + self._delay
            self._state.set(metrics.OPEN)
        if opens:
            log.warning("The circuit breaker of %s opens: %s", self._url, error)

    def _record_answer(self) -> None:
        if not self._outages:
            return
        with self._lock:
            was_open = self._outages >= self._limit
            self._outages = 0
            self._state.set(metrics.CLOSED)
        if was_open:
            log.warning("The circuit breaker of %s closes.", self._url)
