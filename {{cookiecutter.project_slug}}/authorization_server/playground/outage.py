"""An outage on request: resource servers get no answer for a few seconds."""

import asyncio
from time import monotonic

from service_kit.wsgi_bridge import Receive, Routes, Scope, Send

# More than the 3 seconds for which a resource server waits.
SECONDS = 4
PATHS = ("/o/introspect/", "/o/events/")
STEP_SECONDS = 0.05

_until = 0.0


def begin() -> None:
    """Begin an outage of this process."""
    global _until
    _until = monotonic() + SECONDS


class InterruptibleRoutes(Routes):
    """Routes that answer no resource server during an outage. Pages and clients are not affected.

    What resource servers see is an authorization server that accepts connections and is silent.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") in PATHS:
            while monotonic() < _until:
                await asyncio.sleep(STEP_SECONDS)
        await super().__call__(scope, receive, send)
