"""Load on a resource server whose authorization server is killed, restarted and frozen.

It takes some seconds; ``SOAK_SECONDS=60 pytest test_soak.py`` makes it longer. The test owns both
servers. Tokens come from the authorization server of the stack, which is never down.
"""

import os
import secrets
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Lock

import pytest
import requests
from conftest import until
from infrastructure import Server, machine_token

SECONDS = min(float(os.environ.get("SOAK_SECONDS", "6")), 300)
PAUSE_SECONDS = 0.01  # between two requests of a thread
WORKER_THREADS = 8

# The status, and the error of the challenge, of each kind of request while the authorization server
# answers. During an outage it is 503, except without a token.
CONTRACT = {
    "warm token": (200, None),
    "new token": (200, None),
    "token without the scope": (403, "insufficient_scope"),
    "garbage": (401, "invalid_token"),
    "no token": (401, None),
}
ANSWERED = {(kind, status) for kind, (status, _) in CONTRACT.items()}
UNAVAILABLE = {(kind, 503) for kind in CONTRACT if kind != "no token"}
# Garbage has its own address, because invalid tokens are limited for each address.
ADDRESSES = {"garbage": "127.0.0.2"}

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts in /proc")


class From(requests.adapters.HTTPAdapter):
    """Connects from an address of this machine."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, source_address=(self.address, 0), **options)


def session_for(kind):
    """Return a session for requests of one kind."""
    session = requests.Session()
    session.mount("http://", From(ADDRESSES.get(kind, "127.0.0.1")))
    return session


def usage_of(server):
    """Return how many threads and open files, sockets among them, its worker process has."""
    parent = server.process.pid
    [worker] = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return tuple(len(os.listdir(f"/proc/{worker}/{what}")) for what in ("task", "fd"))


def outcome(kind, response):
    """Return kind and status of an answer within the contract; all of any other answer."""
    challenge = response.headers.get("WWW-Authenticate", "")
    error = challenge.partition('error="')[2].partition('"')[0] or None
    in_time = (response.status_code, error) == CONTRACT[kind]
    can_retry = response.headers.get("Retry-After", "").isdecimal() and not challenge
    if in_time or (response.status_code == 503 and can_retry and kind != "no token"):
        return kind, response.status_code
    return kind, response.status_code, dict(response.headers), response.text


class Load:
    """One thread for each kind of request to the resource server."""

    def __init__(self, authorization_server, api, new_token):
        self.authorization_server, self.api, self.new_token = authorization_server, api, new_token
        self.over, self.seen, self.counting = Event(), Counter(), Lock()
        self.warm = new_token()
        self.tokens = {self.warm}

    def ask(self, session, kind):
        """Send one request; return its outcome."""
        makers = {"no token": str, "garbage": secrets.token_urlsafe, "new token": self.new_token}
        token = makers.get(kind, lambda: self.warm)()
        self.tokens |= {token} - {""}
        method, path = ("POST", "items") if kind == "token without the scope" else ("GET", "whoami")
        response = session.request(
            method,
            f"{self.api.url}/api/{path}/",
            json={"name": "Lamp"} if method == "POST" else None,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=60,
        )
        return outcome(kind, response)

    def keep_asking(self, kind):
        """Send requests until the load is over; count the outcomes."""
        try:
            with session_for(kind) as session:
                while not self.over.wait(PAUSE_SECONDS):
                    found = self.ask(session, kind)
                    with self.counting:
                        self.seen[found] += 1
        finally:
            self.over.set()  # An exception in one thread ends all of them.

    def use_all_threads(self):
        """Occupy every thread of the worker: all of them wait for an answer."""
        self.authorization_server.send(signal.SIGSTOP)
        barrier = Barrier(WORKER_THREADS)

        def ask(_):
            barrier.wait()
            with session_for("garbage") as session:
                self.ask(session, "garbage")

        with ThreadPoolExecutor(WORKER_THREADS) as pool:
            list(pool.map(ask, range(WORKER_THREADS)))
        self.authorization_server.send(signal.SIGCONT)

    def run(self):
        """Send requests during some outages; return the count of each outcome."""
        with ThreadPoolExecutor(len(CONTRACT)) as pool:
            threads = [pool.submit(self.keep_asking, kind) for kind in CONTRACT]
            try:
                end = time.monotonic() + SECONDS
                while time.monotonic() < end and not self.over.is_set():
                    self.have_outages()
            finally:
                self.over.set()
        for thread in threads:
            thread.result()
        return self.seen

    def have_outages(self):
        """Kill, restart, freeze and continue the authorization server."""
        self.meet(ANSWERED)
        self.authorization_server.stop(signal.SIGKILL)
        self.meet(UNAVAILABLE)
        self.authorization_server.launch()
        self.authorization_server.wait()
        self.meet(ANSWERED)
        self.authorization_server.send(signal.SIGSTOP)
        self.meet(UNAVAILABLE)
        self.authorization_server.send(signal.SIGCONT)

    def meet(self, outcomes):
        """Return once the load has met each of these outcomes again, after a second at least."""
        with self.counting:
            before = self.seen.copy()
        time.sleep(1)
        until(lambda: self.over.is_set() or all(self.seen[one] > before[one] for one in outcomes))


@pytest.fixture
def load(stack, first, resource_server, tmp_path):
    """Start an authorization server and a resource server; return the load on them."""
    log = tmp_path / "authorization_server.log"
    with Server(stack, "authorization_server", log) as authorization_server:
        variables = {
            "AUTHORIZATION_SERVER_INTERNAL_URL": authorization_server.url,
            "WEB_THREADS": str(WORKER_THREADS),
        }
        with resource_server(**variables) as api:
            scope = f"{first['name']}:read"
            yield Load(authorization_server, api, lambda: machine_token(stack, scope))


def test_outages_under_load_leave_nothing_behind(load):
    for _ in range(3):
        load.use_all_threads()
    threads, files = usage_of(load.api)

    # Every answer is within the contract, and there were outages.
    assert set(load.run()) == ANSWERED | UNAVAILABLE

    # Every kind of request recovers by itself.
    for kind, (status, _) in CONTRACT.items():
        with session_for(kind) as session:
            until(lambda n=session, k=kind, s=status: load.ask(n, k) == (k, s))

    # No thread and no file has leaked: each thread may hold one more. No token is in the log.
    until(lambda: usage_of(load.api)[0] <= threads)
    until(lambda: usage_of(load.api)[1] <= files + WORKER_THREADS)
    text = load.api.log.read_text()
    assert [token for token in load.tokens if token in text] == []
