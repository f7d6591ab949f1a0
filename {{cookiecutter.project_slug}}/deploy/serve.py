"""Serve the service in whose folder this runs: ``python ../deploy/serve.py 127.0.0.1:8000``.

With Granian, because the server is what an introspection costs most of. One worker process, client
credentials, PostgreSQL with 100,000 tokens, ``wrk -t1 -c8``, on the same two cores as everything
else; introspections a second, taken in turns, and CPU of the process for each:

    Granian 2.8, 4 threads   3,800 - 6,900   165 us
    oidc-provider 9 (Node)   3,200 - 5,000   210 us   another server, with its tokens in memory
    gunicorn 27, 4 threads   1,000                    as much as it can do, whatever it serves

Put a proxy in front that reads requests whole: there is no deadline for a body, and a sender who
never ends holds a thread. (Introspection reads none of a caller who is not known.) With
TRUST_PROXY_HEADERS, let it drop header names with ``_``: to a WSGI application they are the same as
those with ``-``.
"""

import os
import signal
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = PROJECT / "packages"
RESOURCE_SERVERS = PROJECT / "resource_servers"
LINE = {"format": "{levelname} {name}: {message}", "style": "{"}


def load() -> "WSGIApplication":
    """Import the service, in a worker process."""
    # A worker inherits handlers that do nothing in it, and would not stop before it has started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    sys.path[0] = str(Path.cwd())
    try:
        from config.wsgi import application  # type: ignore[import-not-found, unused-ignore]
    except ImproperlyConfigured as error:
        sys.exit(f"{error} (manage.py check --traceback shows where.)")
    return in_one_piece(application)


def in_one_piece(application: "WSGIApplication") -> "WSGIApplication":
    """Return `application` with each body that is known as a whole in a list.

    Granian sends a list together with the headers. What it has to iterate over may follow them: a
    service that is killed in between has begun an answer, and no proxy asks another one for it.
    """

    def respond(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        response: Any = application(environ, start_response)
        if getattr(response, "streaming", True):  # or no response of Django, but a body
            return response  # type: ignore[no-any-return]
        response.close()
        return [response.content]

    return respond


def number(name: str, default: int) -> int:
    """Return the value of a variable, a number of at least 1."""
    value = os.environ.get(name, "").strip() or str(default)
    if not value.isdecimal() or int(value) < 1:
        sys.exit(f"{name} is {value!r}, not a number that is 1 or more.")
    return int(value)


def is_reloading() -> bool:
    """Return whether the service restarts after a change of a file, in development only."""
    wanted = os.environ.get("WEB_RELOAD", "true").lower() != "false"
    is_development = os.environ.get("ENVIRONMENT") == "development"
    return wanted and is_development and find_spec("watchfiles") is not None


def reloading() -> dict[str, Any]:
    """Return the options for restarts after a change of the code, or of the manifests.

    The authorization server reads the manifests. Adding a resource server is one change: the rename
    of its folder.
    """
    from watchfiles import DefaultFilter

    own = [str(path) for path in (Path.cwd(), PACKAGES) if path.is_dir()]
    reads_manifests = Path.cwd() == PROJECT / "authorization_server"

    class Sources(DefaultFilter):
        def __call__(self, change: Any, name: str) -> bool:
            path = Path(name)
            is_manifest = path.name == "resource_server.toml" or path.parent == RESOURCE_SERVERS
            return (name.startswith(tuple(own)) or is_manifest) and super().__call__(change, name)

    return {
        "reload": True,
        "reload_paths": [Path(name) for name in own] + [RESOURCE_SERVERS] * reads_manifests,
        "reload_filter": Sources,
        # A worker that fails to start waits for the next change.
        "reload_ignore_worker_failure": True,
    }


def server(host: str, port: int) -> Any:
    """Return the server for an IP address and a port."""
    return Granian(
        "config.wsgi",
        host,
        port,
        interface=Interfaces.WSGI,
        # Proxies and resource servers send HTTP/1.1.
        http=HTTPModes.http1,
        websockets=False,
        # One for SQLite; with PostgreSQL, one for each core.
        workers=number("WEB_CONCURRENCY", 1),
        # They wait for the database and for the other role; more threads lose time in switching.
        # They are started on demand and kept, because each has a database connection.
        blocking_threads=number("WEB_THREADS", 4),
        blocking_threads_idle_timeout=600,
        # Connections of one worker; as many again wait to be accepted.
        backlog=1024,
        backpressure=1024,
        http1_settings=HTTP1Settings(
            # Milliseconds for the headers, and for a connection to be idle before them: a resource
            # server asks again and again over the same ones, and a proxy in front does likewise.
            header_read_timeout=75_000,
            # Bytes; the headers have to fit.
            max_buffer_size=64 * 1024,
        ),
        # Seconds for requests to finish. honcho kills after 5, Docker after 10.
        workers_kill_timeout=4,
        # A worker that dies is replaced. A second death within 5 s ends the service, which the
        # process manager notices.
        respawn_failed_workers=True,
        # Access logs are for the proxy in front; any value turns them on here.
        log_access=bool(os.environ.get("WEB_ACCESS_LOG")),
        log_dictconfig={"formatters": {"generic": LINE, "access": {"format": "%(message)s"}}},
        **(reloading() if is_reloading() else {}),
    )


def main() -> None:
    """Serve at the address of the command line: an IP address, a colon and a port."""
    host, _, port = "".join(sys.argv[1:]).rpartition(":")
    host = host.strip("[]")
    if not (host and port.isdecimal()):
        sys.exit("usage: python ../deploy/serve.py ADDRESS:PORT, in the folder of a service")
    try:
        # Granian would share a port with any other Granian: each gets some of the connections.
        socket.create_server(
            (host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        ).close()
    except OSError as error:
        sys.exit(f"{host}:{port}: {error.strerror or error}")
    server(host, int(port)).serve(target_loader=load, wrap_loader=False)


if __name__ == "__main__":
    main()
