"""Send requests: with `wrk` to measure throughput, one after the other to measure latency."""

import concurrent.futures
import http.client
import itertools
import re
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

import processes
import pycurl

SECONDS = 3


def cost(server, url, **options):
    """Return the responses per second of `url`, and the CPU seconds of `server` for each.

    Args:
        server: Process that serves `url`.
    """
    before = processes.cpu_seconds(server.pid)
    rate, count = run_wrk(url, **options)
    return rate, (processes.cpu_seconds(server.pid) - before) / count


def throughput(url, **options):
    """Return the responses per second of `url`."""
    return run_wrk(url, **options)[0]


def run_wrk(url, *, headers=None, script="", connections=8, seconds=SECONDS):
    """Return the responses per second of `url`, and their number; exit if one is an error.

    Args:
        script: Lua for wrk; empty for a plain GET.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "10"]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        if script:
            file.write(script)
            file.flush()
            command += ["-s", file.name]
        report = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in report or "Socket errors" in report:
        raise SystemExit(f"{url}: expected status 2xx only, got errors:\n{report}")
    count = int(re.search(r"(\d+) requests in", report)[1])
    return float(re.search(r"Requests/sec:\s*([\d.]+)", report)[1]), count


def post_script(headers, body):
    """Return Lua for wrk that posts `body`, a Lua expression, in each request."""
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    return "\n".join(
        [
            *lines,
            'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"',
            f'request = function() return wrk.format("POST", nil, nil, {body}) end',
        ]
    )


class Connection:
    """One persistent connection."""

    def __init__(self, url, timeout=30):
        parts = urlsplit(url)
        self.path = parts.path
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        self.retry_after = 0

    def send(self, method="GET", *, form=None, headers=None, path=None):
        """Send a request and return status and body."""
        headers = dict(headers or {})
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(form) if form is not None else None
        self.connection.request(method, path or self.path, body, headers)
        response = self.connection.getresponse()
        self.retry_after = int(response.headers.get("Retry-After", 0))
        return response.status, response.read()


class Curl:
    """One persistent connection of libcurl, the client that resource servers introspect with."""

    def __init__(self, url):
        self._curl = pycurl.Curl()
        self._curl.setopt(pycurl.URL, url)

    def send(self, *, headers, form=None):
        """Send a request, a POST if it has a form, and return the status."""
        self._curl.setopt(pycurl.HTTPHEADER, [f"{name}: {headers[name]}" for name in headers])
        if form is not None:
            self._curl.setopt(pycurl.POSTFIELDS, urlencode(form))
        self._curl.perform_rb()
        return self._curl.getinfo(pycurl.RESPONSE_CODE)


def seconds_each(send, count):
    """Return the time of each of `count` calls of `send`, in seconds."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        send()
        times.append(time.perf_counter() - start)
    return times


def median_seconds(send, count):
    """Return the median time of `count` calls of `send`, in seconds."""
    return statistics.median(seconds_each(send, count))


@contextmanager
def background(url, headers_of, *, threads, pause=0.0, heed_retry_after=True):
    """Send requests to `url` over `threads` connections until the block ends; ignore errors.

    Args:
        headers_of: Function from the number of a request to its headers.
        pause: Seconds between two requests of one thread.
        heed_retry_after: Whether a thread waits for the `Retry-After` of a 503.
    """
    stop, numbers = threading.Event(), itertools.count()

    def send():
        while not stop.is_set():
            connection = Connection(url)
            try:
                while not stop.is_set():
                    connection.send(headers=headers_of(next(numbers)))
                    stop.wait(max(pause, connection.retry_after * heed_retry_after))
            except (OSError, http.client.HTTPException):
                stop.wait(0.05)
            finally:
                connection.connection.close()

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        senders = [pool.submit(send) for _ in range(threads)]
        try:
            yield numbers
        finally:
            stop.set()
            concurrent.futures.wait(senders)
