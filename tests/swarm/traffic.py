"""Requests at a fixed rate to the proxies of all nodes, as a balancer spreads them, counted.

The balancer asks each node for its health twice a second, uses the healthy ones in turn, and tries
the next node where a connection is refused. Nothing that was sent is sent again.
"""

import itertools
import json
import secrets
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from math import inf

import urllib3

CHECK_SECONDS = 0.5
# A node that comes back may be alone for some seconds, and stops its old tasks.
RISE_SECONDS = 10
# Longer than any time-out of the proxy.
PATIENCE = urllib3.Timeout(connect=3, read=35)
# Until each task has been asked about each token.
WARM_UP_SECONDS = 5
WARM_TOKENS = 20
JSON = {"Content-Type": "application/json"}
CONTRACT = {200, 201, 401, 403, 429, 503}


@dataclass(frozen=True)
class Answer:
    """One request. `status` is a number within the contract; else it says what is wrong."""

    sent: float  # By the monotonic clock, in seconds.
    seconds: float
    node: str
    kind: str
    status: int | str
    is_lost: bool = False
    reason: str = ""


def reason_of(response):
    """Return the text of an error; of an answer its start, after the identifier in the logs."""
    if isinstance(response, Exception):
        return str(response)
    identifier = response.headers.get("X-Request-ID")
    return f"{identifier}: {response.data.decode(errors='replace')[:200]}"


def status_of(response):
    """Return the status of a response; a text for one that is outside of the contract."""
    kind = response.headers.get("Content-Type", "without a type")
    if response.status not in CONTRACT or not kind.startswith(JSON["Content-Type"]):
        return f"{response.status} {kind}"
    if response.status in (429, 503) and "Retry-After" not in response.headers:
        return f"{response.status} without Retry-After"
    return response.status


def pool_for(host, address, port, certificate, threads):
    """Return connections to the host of a request at an address, at most one for each thread."""
    return urllib3.HTTPSConnectionPool(
        address,
        port,
        ca_certs=certificate,
        server_hostname=host,
        assert_hostname=host,
        retries=False,
        timeout=PATIENCE,
        maxsize=threads,
    )


class Balancer:
    """Connections to the proxies of the nodes.

    Args:
        deployment: Whose certificate the proxies have.
        nodes: The address of each node by its name.
        threads: How many requests there may be at a time.
    """

    def __init__(self, deployment, nodes, threads):
        self._nodes, self._threads = nodes, threads
        self._certificate = deployment.variables["TLS_CERTIFICATE"]
        self._pools, self._used = {}, {}
        self._turn = itertools.count()
        self._over = threading.Event()
        self._checks = [threading.Thread(target=self._check, args=[node]) for node in nodes]

    def __enter__(self):
        for check in self._checks:
            check.start()
        while len(self._used) < len(self._nodes):
            time.sleep(CHECK_SECONDS)
        return self

    def __exit__(self, *exception):
        self._over.set()
        for check in self._checks:
            check.join()
        for pool in self._pools.values():
            pool.close()

    def _check(self, node):
        healthy_since = -RISE_SECONDS  # The first time it is used without a wait.
        with urllib3.HTTPConnectionPool(self._nodes[node], 80, retries=False, timeout=1) as pool:
            while not self._over.is_set():
                now = time.monotonic()
                try:
                    is_healthy = pool.request("GET", "/health").status == 200
                except urllib3.exceptions.HTTPError:
                    is_healthy = False
                healthy_since = min(healthy_since, now) if is_healthy else inf
                self._used[node] = now - healthy_since >= RISE_SECONDS
                self._over.wait(CHECK_SECONDS)

    def request(self, method, host, path, options):
        """Return the node that a request was sent to, and the response or an error."""
        turn, node = next(self._turn), "none"
        nodes = [node for node in self._nodes if self._used.get(node)]
        for attempt in range(len(nodes)):
            node = nodes[(turn + attempt) % len(nodes)]
            headers = {"Host": host} | options.get("headers", {})
            try:
                pool = self._pool(node, host)
                return node, pool.request(method, path, **options | {"headers": headers})
            except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
                continue
            except urllib3.exceptions.HTTPError as error:
                return node, error
        return node, urllib3.exceptions.HTTPError("no node accepts connections")

    def _pool(self, node, host):
        if (node, host) not in self._pools:
            pool = pool_for(host, self._nodes[node], 443, self._certificate, self._threads)
            self._pools[node, host] = pool
        return self._pools[node, host]


class Traffic:
    """Sends requests until the block ends. Of ten, one gets a token, one uses it, one writes.

    Args:
        balancer: Where they are sent.
        deployment: Whose resource servers are asked, those that it has at the begin.
        rate: Requests a second.
    """

    def __init__(self, balancer, deployment, rate):
        self.answers = []
        self._balancer, self._rate, self._servers = balancer, rate, deployment.servers
        self._token_request = deployment.token_request(self._servers)
        self._domain = self._token_request[1].partition(".")[2]
        self._warm, self._new = [self._token() for _ in range(WARM_TOKENS)], deque()
        self._begin, self._ticks = time.monotonic(), itertools.count()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(2 * rate)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        time.sleep(WARM_UP_SECONDS)
        return self

    def __exit__(self, *exception):
        self._over.wait(0 if any(exception) else WARM_UP_SECONDS)
        self._over.set()
        for thread in self._threads:
            thread.join()

    # --- Counts -----------------------------------------------------------------------------------

    @property
    def failed(self):
        """The requests that were not answered 200 or 201."""
        return [one for one in self.answers if one.status not in (200, 201)]

    @property
    def lost(self):
        """The requests without an answer."""
        return [one for one in self.answers if one.is_lost]

    @property
    def strange(self):
        """The answers outside of the contract."""
        return [one for one in self.failed if isinstance(one.status, str) and not one.is_lost]

    def row(self, name):
        """Return the counts as a row of a table."""
        answered = Counter(one.status for one in self.failed if not one.is_lost)
        others = ", ".join(f"{count} x {status}" for status, count in answered.items()) or 0
        slowest = max(one.seconds for one in self.answers if not one.is_lost)
        return f"| {name} | {len(self.answers):,} | {len(self.lost)} | {others} | {slowest:.1f} s |"

    # --- Requests ---------------------------------------------------------------------------------

    def _token(self):
        _, response = self._balancer.request(*self._token_request)
        return response.json()["access_token"]

    def _run(self):
        while True:
            tick = next(self._ticks)
            if self._over.wait(max(0, self._begin + tick / self._rate - time.monotonic())):
                return
            self._send(*self._request(tick))

    def _send(self, kind, request):
        sent = time.monotonic()
        node, response = self._balancer.request(*request)
        is_lost = isinstance(response, Exception)
        status = type(response).__name__ if is_lost else status_of(response)
        if kind == "token" and status == 200:
            self._new.append(response.json()["access_token"])
        seconds = time.monotonic() - sent
        reason = "" if status in (200, 201) else reason_of(response)
        self.answers.append(Answer(sent, seconds, node, kind, status, is_lost, reason))

    def _request(self, tick):
        """Return the kind of a request, and its method, host, path and options."""
        if tick % 10 == 0:
            return "token", self._token_request
        host = f"{self._servers[tick // 10 % len(self._servers)]}.{self._domain}"
        is_new = tick % 10 == 1 and bool(self._new)
        token = self._new.popleft() if is_new else self._warm[tick // 10 % len(self._warm)]
        headers = {"Authorization": f"Bearer {token}"}
        if tick % 10 == 2:
            body = json.dumps({"name": secrets.token_hex(8)})
            return "write", ("POST", host, "/api/items/", {"headers": headers | JSON, "body": body})
        kind = "first use" if is_new else "read"
        return kind, ("GET", host, "/api/whoami/", {"headers": headers})
