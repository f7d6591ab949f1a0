"""Mixed load on resource servers whose authorization server is killed, restarted and frozen.

Takes some seconds; ``SOAK_SECONDS=60 pytest test_soak.py`` makes it longer. All processes but the
stack's are its own, so that no other test feels the outage.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Barrier, Event, Lock

import pytest
import requests
from conftest import MANIFESTS, ROOT, START_SECONDS, answers, free_port

SECONDS = min(float(os.environ.get("SOAK_SECONDS", "6")), 300)
PAUSE = 0.01  # seconds between two requests of a thread: the machine has other things to do
PATIENCE = 60  # seconds for what follows at once where nothing else is to be done
WORKER_THREADS = 8

# What each kind of request is answered while the authorization server can be asked: the status, and
# the error of the challenge. In an outage it is 503, unless no token has to be looked at.
CONTRACT = {
    "warm token": (200, None),
    "new token": (200, None),
    "token without the scope": (403, "insufficient_scope"),
    "garbage": (401, "invalid_token"),
    "no token": (401, None),
}
ANSWERED = {(kind, status) for kind, (status, _) in CONTRACT.items()}
UNAVAILABLE = {(kind, 503) for kind in CONTRACT if kind != "no token"}

# Garbage has an address of its own, because an address that sends much of it may be held up.
OWN_ADDRESS, ADDRESS_OF_GARBAGE = "127.0.0.1", "127.0.0.2"

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts in /proc")


class Server:
    """A server of the test's own: one worker, in a process group of its own."""

    def __init__(self, folder, environment, log):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = log
        self._folder, self._environment = folder, environment

    def launch(self):
        """Start it, and do not wait."""
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "deploy" / "serve.py", self.url[7:]],
                cwd=self._folder,
                env=self._environment | {"WEB_THREADS": str(WORKER_THREADS), "WEB_RELOAD": "false"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start(self):
        """Start it, and return when it answers."""
        self.launch()
        self.wait()

    def wait(self):
        """Return when it answers."""
        until(lambda: answers(f"{self.url}/health/live"), START_SECONDS)

    def send(self, number):
        """Send a signal to all of its processes."""
        os.killpg(self.process.pid, number)

    def stop(self, number=signal.SIGKILL):
        """End all of its processes, now unless told otherwise."""
        self.send(number)
        self.process.wait(timeout=30)

    def usage(self):
        """Return how many threads and open files, sockets among them, its worker has."""
        master = self.process.pid
        [worker] = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return tuple(len(os.listdir(f"/proc/{worker}/{what}")) for what in ("task", "fd"))


class From(requests.adapters.HTTPAdapter):
    """Connects from an address of this machine."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, source_address=(self.address, 0), **options)


def session_for(kind):
    """Return a session that sends requests of one kind from where they come."""
    session = requests.Session()
    session.mount("http://", From(ADDRESS_OF_GARBAGE if kind == "garbage" else OWN_ADDRESS))
    return session


def until(holds, seconds=PATIENCE):
    """Return once `holds` is true; fail when it is not after some seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


@contextmanager
def running(server):
    """Launch a server, and end it when the block is left."""
    server.launch()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.send(signal.SIGCONT)
            server.stop(signal.SIGTERM)


@pytest.fixture
def soak(stack, tmp_path):
    """Return the authorization server, the resource servers, and what they were asked."""
    environment = stack.environment | stack.env
    folder = ROOT / "authorization_server"
    authorization_server = Server(folder, environment, tmp_path / "authorization_server.log")
    environment = environment | {"AUTHORIZATION_SERVER_INTERNAL_URL": authorization_server.url}
    apis = [
        Server(ROOT / "resource_servers" / manifest["name"], environment, tmp_path / f"{n}.log")
        for n, manifest in enumerate(MANIFESTS[:2])
    ]
    with ExitStack() as processes:
        for server in [authorization_server, *apis]:
            processes.enter_context(running(server))
        for server in [authorization_server, *apis]:
            server.wait()
        yield Soak(stack, authorization_server, apis)


class Soak:
    """The load: a thread for each kind of request and each resource server."""

    def __init__(self, stack, authorization_server, apis):
        self.stack = stack
        self.authorization_server, self.apis = authorization_server, apis
        self.scope = " ".join(f"{manifest['name']}:read" for manifest in MANIFESTS[:2])
        self.over = Event()
        self.seen, self.counting = Counter(), Lock()
        self.warm = self.token()
        self.tokens = {self.warm}

    def token(self):
        """Return a new token, from the authorization server of the stack, which is never down."""
        return self.stack.machine_token(self.scope)

    def ask(self, session, api, kind):
        """Send one request; return the kind, and the response."""
        token = {
            "no token": lambda: "",
            "garbage": lambda: secrets.token_urlsafe(32),
            "new token": self.token,
        }.get(kind, lambda: self.warm)()
        if token:
            self.tokens.add(token)
        method, path = ("POST", "items") if kind == "token without the scope" else ("GET", "whoami")
        return kind, session.request(
            method,
            f"{api.url}/api/{path}/",
            json={"name": "Lamp"} if method == "POST" else None,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=PATIENCE,
        )

    def status(self, *request):
        """Send one request, and return its status."""
        return self.ask(*request)[1].status_code

    def keep_asking(self, api, kind):
        """Send requests until it is over; count which answer came how often."""
        try:
            with session_for(kind) as session:
                while not self.over.wait(PAUSE):
                    came = outcome(*self.ask(session, api, kind))
                    with self.counting:
                        self.seen[came] += 1
        finally:
            self.over.set()  # What ends one of them ends all.

    def ask_at_once(self):
        """Let each worker use all of its threads at the same time: they wait for an answer."""
        self.authorization_server.send(signal.SIGSTOP)
        for api in self.apis:
            barrier = Barrier(WORKER_THREADS)

            def ask(_, api=api, barrier=barrier):
                barrier.wait()
                with session_for("garbage") as session:
                    self.ask(session, api, "garbage")

            with ThreadPoolExecutor(WORKER_THREADS) as threads:
                list(threads.map(ask, range(WORKER_THREADS)))
        self.authorization_server.send(signal.SIGCONT)

    def run(self):
        """Keep asking through some outages; return how often which answer came."""
        with ThreadPoolExecutor(len(self.apis) * len(CONTRACT)) as threads:
            asking = [
                threads.submit(self.keep_asking, api, kind)
                for api in self.apis
                for kind in CONTRACT
            ]
            try:
                self.have_outages(SECONDS)
            finally:
                self.over.set()
        for thread in asking:
            thread.result()
        return self.seen

    def have_outages(self, seconds):
        """Kill, restart and freeze the authorization server, again and again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.over.is_set():
            self.meet(ANSWERED)
            self.authorization_server.stop()
            self.meet(UNAVAILABLE)
            self.authorization_server.start()
            self.meet(ANSWERED)
            self.authorization_server.send(signal.SIGSTOP)
            self.meet(UNAVAILABLE)
            self.authorization_server.send(signal.SIGCONT)

    def meet(self, outcomes):
        """Return once the load has met each of these again, a second later at the earliest."""
        with self.counting:
            before = self.seen.copy()
        time.sleep(1)
        until(lambda: self.over.is_set() or all(self.seen[one] > before[one] for one in outcomes))


def outcome(kind, response):
    """Return kind and status of an answer of the contract; of any other all that there is of it."""
    challenge = response.headers.get("WWW-Authenticate", "")
    error = challenge.partition('error="')[2].partition('"')[0] or None
    if (response.status_code, error) == CONTRACT[kind]:
        return kind, response.status_code
    waits = response.headers.get("Retry-After", "").isdecimal() and not challenge
    if response.status_code == 503 and waits and kind != "no token":
        return kind, 503
    return kind, response.status_code, dict(response.headers), response.text


def test_outages_under_load_leave_nothing_behind(soak):
    for _ in range(3):
        soak.ask_at_once()
    before = [api.usage() for api in soak.apis]
    seen = soak.run()

    # No answer outside of the contract; and there was load, and there were outages.
    assert set(seen) == ANSWERED | UNAVAILABLE

    # It recovers by itself, for every kind of request.
    for kind, (status, _) in CONTRACT.items():
        with session_for(kind) as session:
            for api in soak.apis:
                until(lambda n=session, a=api, k=kind, s=status: s == soak.status(n, a, k))

    # What the load needed at its height is all that there is, and nothing has been written down.
    for api, height in zip(soak.apis, before, strict=True):
        until(lambda a=api, h=height: is_within(a.usage(), h))
        text = api.log.read_text()
        assert [token for token in soak.tokens if token in text] == []


def is_within(usage, height):
    """Return whether no thread is new, and no more files are open than each thread may hold one."""
    (threads, files), (threads_before, files_before) = usage, height
    return threads <= threads_before and files <= files_before + WORKER_THREADS
