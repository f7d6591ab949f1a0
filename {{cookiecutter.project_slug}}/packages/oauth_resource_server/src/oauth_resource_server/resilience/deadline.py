"""How long a request may still wait for the authorization server, whoever it is that waits."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

_end: ContextVar[float] = ContextVar("end", default=inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let everything in the block end `seconds` from now, or earlier if that was said before."""
    token = _end.set(min(_end.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _end.reset(token)


def remaining() -> float:
    """Return the seconds that are left; 0 or less when there are none, infinity without a limit."""
    return _end.get() - time.monotonic()
