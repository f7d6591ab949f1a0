"""Whether ports are free, before services are started at them."""

from __future__ import annotations

import socket
from contextlib import ExitStack


def problem_with_port(
    port: str, service: str, remedy: str, listeners: ExitStack, host: str = "127.0.0.1"
) -> str | None:
    """Listen on a port until `listeners` are closed; return a line for people if that fails.

    Args:
        remedy: What to do about it besides stopping what uses the port: ``change ORDERS_PORT ...``.
        listeners: Two services with one port are found as long as these are open.
    """
    try:
        listener = listeners.enter_context(socket.socket())
        # As servers do, so that this does not fail for connections that were just closed.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen()
    except (OSError, ValueError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a number from 1 to 65535"
        return f"Port {port} of {service}: {reason}. Stop what uses it, or {remedy}."
    return None
