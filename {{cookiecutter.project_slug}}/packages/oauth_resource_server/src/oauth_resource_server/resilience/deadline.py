"""Deadline of the current request: how long it may still wait for authorization servers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

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
