"""A circuit breaker: an authorization server that does not answer is left alone for a while."""

import logging
import time
from collections.abc import Callable
from math import ceil
from threading import Lock
from typing import TypeVar

from oauth_resource_server import metrics
from oauth_resource_server.errors import (
    AuthorizationServerSkipped,
    AuthorizationServerUnavailable,
    TokenValidationError,
)

T = TypeVar("T")
FIRST_DELAY_SECONDS = 0.25

log = logging.getLogger(__name__)


class CircuitBreaker:
    """Lets questions through while they are answered; fails in microseconds while they are not.

    It is closed until `outages` questions in a row have met an outage. Then it is open: nobody
    asks. After a delay one question goes through as a probe (half-open). If that is answered, the
    breaker closes; if not, the delay doubles, up to `max_delay`. Nothing else has to happen for it
    to recover, and an authorization server that was down from the beginning is no special case.

    An outage is `AuthorizationServerUnavailable`: no answer, 5xx or 429. Any other answer closes
    the breaker, also one that refuses our credentials or is not RFC 7662: it comes fast, so it
    costs no thread, and it says what is wrong better than "unavailable" would.

    Args:
        outages: In a row, from all threads.
        max_delay: Seconds between two probes, at most.
        url: What is asked, for the error and the log.
        name: Of what is asked, for the metrics.
        timer: Monotonic seconds.
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

    def __call__(self, ask: Callable[[], T]) -> T:
        """Return what `ask` returns.

        Raises:
            AuthorizationServerSkipped: The breaker is open; `ask` was not called.
        """
        is_probe = self._admit()
        try:
            result = ask()
        except AuthorizationServerUnavailable as error:
            self._not_answered(is_probe, error)
            raise
        except TokenValidationError:
            self._answered()
            raise
        finally:
            # Whatever ends a probe, SystemExit included, the next one must be possible.
            if is_probe:
                self._probing = False
        self._answered()
        return result

    def _admit(self) -> bool:
        """Return whether this question is the probe."""
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
        raise AuthorizationServerSkipped(
            "It has not answered lately", url=self._url, retry_after=max(1, ceil(seconds))
        )

    def _not_answered(self, is_probe: bool, error: AuthorizationServerUnavailable) -> None:
        with self._lock:
            self._outages += 1
            opens = self._outages == self._limit
            if not opens and not is_probe:
                return  # Not enough yet; or one that was asked before the breaker opened.
            self._delay = FIRST_DELAY_SECONDS if opens else 2 * self._delay
            self._delay = min(self._delay, self._max_delay)
            self._probe_at = self._timer() + self._delay
            self._state.set(metrics.OPEN)
        if opens:
            log.warning("%s is left alone for a while: %s", self._url, error)

    def _answered(self) -> None:
        if not self._outages:
            return
        with self._lock:
            was_open = self._outages >= self._limit
            self._outages = 0
            self._state.set(metrics.CLOSED)
        if was_open:
            log.warning("%s answers again.", self._url)
