"""A server in a process of its own, and clients that send it raw bytes."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 60  # for what happens at once on a quiet machine

CONFIGURATION = """
import os
from service_kit import worker
worker.HEAD_SECONDS = float(os.environ.get("HEAD_SECONDS", "60"))
wsgi_app = os.environ["APPLICATION"]
worker_class = "service_kit.worker.Worker"
workers, timeout, graceful_timeout = 1, 60, 30
keepalive = int(os.environ.get("KEEPALIVE", "60"))
worker_connections = int(os.environ.get("CONNECTIONS", "100"))
http_parser = os.environ.get("PARSER", "auto")
limit_request_line, limit_request_fields, limit_request_field_size = 8190, 64, 16380
forwarded_allow_ips = forwarder_headers = ""
control_socket_disable, asgi_lifespan, loglevel = True, "off", "warning"
reload_extra_files = [name for name in os.environ.get("WATCHED", "").split(":") if name]
"""


class Server:
    """gunicorn with the worker of the project.

    Args:
        folder: An empty folder for its configuration and its log.
        application: What it serves.
        variables: Its environment.
    """

    def __init__(self, folder, application="tests.served", **variables):
        configuration = folder / "configuration.py"
        configuration.write_text(CONFIGURATION, encoding="utf-8")
        self.log = folder / "log"
        holder = socket.create_server(("127.0.0.1", 0))
        self.port = holder.getsockname()[1]
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "gunicorn",
                    "-c",
                    configuration,
                    "-b",
                    f"fd://{holder.fileno()}",
                ],
                cwd=HERE.parent,
                env=os.environ | {"APPLICATION": application, "PYTHONPATH": ".:src"} | variables,
                pass_fds=[holder.fileno()],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        holder.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=SECONDS)

    def connect(self):
        """Return a connection, which the server may accept later."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def exchange(self, request):
        """Send bytes; return everything that comes until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    def get(self, path, *headers):
        """Return the bytes of the response to a GET request."""
        return self.exchange(head("GET", path, "Connection: close", *headers))

    def counts(self, action="counts"):
        """Return how often things have happened in the service."""
        return json.loads(body_of(self.get(f"/native/{action}")))

    def until(self, holds):
        """Return once `holds(counts)`; fail after a minute."""
        until(lambda: holds(self.counts()))


def until(holds):
    """Return once `holds()`; fail after a minute."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def head(method, path, *headers):
    """Return the bytes of a head."""
    lines = [f"{method} {path} HTTP/1.1", "Host: service.example.com", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def read_all(connection):
    """Return what comes until the other side closes the connection."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def read_response(connection):
    """Return one response whose body has a length, and leave the connection open."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    start, _, body = data.partition(b"\r\n\r\n")
    length = int(start.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return start + b"\r\n\r\n" + body


def status_of(response):
    """Return the status of a response, 0 where there is none."""
    return int(response.split(b" ", 2)[1]) if response else 0


def body_of(response):
    """Return the body of a response that has a length."""
    return response.partition(b"\r\n\r\n")[2]


def echo_of(response):
    """Return what /echo has received."""
    return json.loads(body_of(response))
