"""Serve the service in whose folder this runs: ``python ../deploy/serve.py 127.0.0.1:8000``.

This is a configuration of gunicorn, which ``gunicorn -c ../deploy/serve.py`` takes too. It can be
run, because gunicorn itself answers a wrong WEB_CONCURRENCY with a traceback, and tries a port in
use for five seconds.

With TRUST_PROXY_HEADERS, put a proxy in front that overwrites the X-Forwarded- headers.
"""

import os
import socket
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
IS_DEVELOPMENT = os.environ.get("ENVIRONMENT") == "development"


def number(name: str, default: int) -> int:
    """Return the value of a variable, a number of at least 1."""
    value = os.environ.get(name, "").strip() or str(default)
    if not value.isdecimal() or int(value) < 1:
        sys.exit(f"{name} is {value!r}, not a number that is 1 or more.")
    return int(value)


def watched() -> list[str]:
    """Return the folders and files whose change restarts the service; none with WEB_RELOAD=false.

    The authorization server reads the manifests. Adding a resource server is one change: the rename
    of its folder.
    """
    if os.environ.get("WEB_RELOAD", "true").lower() == "false":
        return []
    names = [str(path) for path in (Path.cwd(), PROJECT / "packages") if path.is_dir()]
    if Path.cwd() == PROJECT / "authorization_server":
        names.append("../resource_servers/*/resource_server.toml")
    return names


wsgi_app = "config.asgi"
worker_class = "service_kit.worker.Worker"
# Processes. One for SQLite; with PostgreSQL, one for each core.
workers = number("WEB_CONCURRENCY", 1)
# They wait for the database and for the other role; more threads lose time in switching.
number("WEB_THREADS", 4)
# Connections of each process, and seconds for one to be idle: longer than a proxy keeps it.
worker_connections, keepalive = 800, 75
# Bytes: a proxy in front may send four headers of 16 KiB.
limit_request_line, limit_request_fields, limit_request_field_size = 8190, 64, 16380
# Seconds. A process whose event loop is stuck is replaced. At a stop, `make run` kills after 5 s,
# Docker Compose after 15 s.
timeout, graceful_timeout = 30, 4 if IS_DEVELOPMENT else 8
# Django decides whether to trust the headers of a proxy.
forwarded_allow_ips = forwarder_headers = ""
control_socket_disable = True
asgi_lifespan = "off"
loglevel = "warning"
if IS_DEVELOPMENT:
    logger_class = "service_kit.worker.Logger"
    os.environ.setdefault("WEB_ACCESS_LOG", "true")
else:
    from service_kit.logging import logging_config

    own = {"gunicorn.error": {"handlers": ["console"], "propagate": False, "level": "WARNING"}}
    logconfig_dict = logging_config("WARNING", json=True) | {"loggers": own}
# Not `reload`, which misses changes: service_kit.worker watches these files, in development only.
reload_extra_files = watched() if IS_DEVELOPMENT else []


def child_exit(server: object, worker: Any) -> None:
    """Remove the gauges of a process that has ended."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def main() -> None:
    """Serve at the address of the command line: an IP address, a colon and a port."""
    address = "".join(sys.argv[1:])
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not (host and port.isdecimal()):
        sys.exit("usage: python ../deploy/serve.py ADDRESS:PORT, in the folder of a service")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, int(port)), family=family).close()
    except (OSError, OverflowError) as error:
        sys.exit(f"{host}:{port}: {getattr(error, 'strerror', None) or error}")
    sys.argv[:] = ["gunicorn", "--config", __file__, "--bind", address]
    from gunicorn.app.wsgiapp import run

    run()


if __name__ == "__main__":
    main()
