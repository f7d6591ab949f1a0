"""A load on both roles that counts its answers, and what it meets while faults happen."""

import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event, Lock, get_ident
from uuid import uuid4

import faults
import requests
from conftest import until
from databases import token_request

PAUSE_SECONDS = 0.1  # between two requests of a thread; garbage is limited to ten a second
FAULT_SECONDS = 1  # at least, for which a fault lasts
RENEW_SECONDS = 60  # after which a warm token is replaced; it lives for 600
# A resource server counts on its knowledge for 8 seconds after a report, and a report may be made
# from a look at the table of 5 seconds before.
REVOKED_SECONDS = 8 + 5
STREAK = 5  # good answers to each kind of request in a row, before the next fault

GOOD = {
    "warm token": 200,
    "stored items": 200,
    "token request": 200,
    "new token": 200,
    "revocation": 200,
    "revoked token": 401,
    "garbage": 401,
}
# For a clock that is ahead of `exp`.
EXPIRED = {(kind, 401) for kind in ("warm token", "stored items", "new token")}
# One token is used up to its expiry, and afterwards.
EXPIRE = """UPDATE oauth2_provider_accesstoken SET expires = now() + '2 s'
WHERE token_checksum = encode(sha256(%s::bytea), 'hex')"""


def status_of(response):
    """Return the status of an answer within the contract; all of any other answer."""
    status, headers = response.status_code, response.headers
    is_json = headers["Content-Type"].startswith("application/json") and response.json() is not None
    if status in (200, 401) and is_json:
        return status
    # The limit of connections is no answer to a request.
    is_503 = status == 503 and (is_json or response.text == "Too many connections.")
    if is_503 and headers.get("Retry-After", "").isdecimal():
        return status
    return status, dict(headers), response.text


class Load:
    """Threads that send each kind of request, and the counts of what they met in each fault."""

    def __init__(self, stack, authorization_server, api, scope):
        self.stack, self.scope = stack, scope
        self.authorization_server, self.api = authorization_server, api
        self.over, self.counting = Event(), Lock()
        self.fault, self.may_happen, self.wrong = "none", set(), []
        self.counts, self.recoveries = defaultdict(Counter), defaultdict(float)
        self.streaks, self.begun, self.longest = Counter(), {}, 0.0
        self.renew()

    # ---- Requests ----

    def send(self, kind, request, uncounted=None):
        """Send a request, and count its outcome; return the response, None without one."""
        self.begun[get_ident()] = time.monotonic()
        try:
            response = request()
            status = status_of(response)
        except requests.ConnectionError:
            response, status = None, "lost"
        if status != uncounted:
            self.count(kind, status)
        return response

    def count(self, kind, status):
        """Count an outcome."""
        is_good = status == GOOD[kind]
        with self.counting:
            self.counts[self.fault][kind, status] += 1
            self.streaks[kind] = self.streaks[kind] + 1 if is_good else 0
            if not (is_good or status == 503 or {(kind, status), status} & self.may_happen):
                self.wrong.append((self.fault, kind, status))

    def get(self, session, kind, token, path="whoami", uncounted=None):
        """Ask the resource server; return the status, None without one."""
        url = f"{self.api.url}/api/{path}/"
        headers = {"Authorization": f"Bearer {token}"}
        request = partial(session.get, url, headers=headers, timeout=60)
        response = self.send(kind, request, uncounted)
        return None if response is None else response.status_code

    def new_token(self):
        """Return an access token; None where there is none."""
        response = self.send(
            "token request",
            lambda: token_request(self.stack, self.authorization_server, self.scope),
        )
        return response.json()["access_token"] if response else None

    def revoke(self, token):
        """Revoke a token; return whether that is confirmed."""
        client = tuple(self.stack.env[f"DEMO_MACHINE_CLIENT_{part}"] for part in ("ID", "SECRET"))
        url = f"{self.authorization_server.url}/o/revoke_token/"
        request = partial(requests.post, url, {"token": token}, auth=client, timeout=60)
        return bool(self.send("revocation", request))

    # ---- Threads ----

    def use_a_warm_token(self, session):
        self.get(session, "warm token", self.warm)
        self.get(session, "stored items", self.warm, "items")

    def use_a_new_token(self, session):
        if token := self.new_token():
            self.get(requests, "new token", token)  # over a connection of its own

    def revoke_a_token(self, session):
        token = self.new_token()
        if not (token and self.get(session, "new token", token) == 200 and self.revoke(token)):
            return
        revoked, status = time.monotonic(), 200
        while status != 401 and not self.over.wait(PAUSE_SECONDS):
            age = time.monotonic() - revoked
            uncounted = 200 if age < REVOKED_SECONDS else None
            status = self.get(session, "revoked token", token, uncounted=uncounted)
            if status == 200:
                self.longest = max(self.longest, age)

    def send_garbage(self, session):
        self.get(session, "garbage", uuid4().hex)

    def keep_on(self, step):
        """Repeat a step until the load is over."""
        try:
            with requests.Session() as session:
                while not self.over.wait(PAUSE_SECONDS):
                    step(session)
        finally:
            self.over.set()  # An exception in one thread ends all of them.

    @contextmanager
    def running(self):
        """Send requests during the block."""
        steps = (
            self.use_a_warm_token,
            self.use_a_new_token,
            self.revoke_a_token,
            self.send_garbage,
        )
        with ThreadPoolExecutor(len(steps)) as pool:
            self.threads = [pool.submit(self.keep_on, step) for step in steps]
            try:
                yield
            finally:
                self.over.set()
        for thread in self.threads:
            thread.result()

    # ---- Faults ----

    def renew(self):
        """Replace the warm token while there is no fault."""
        self.warm, self.warm_until = self.one_token(), time.monotonic() + RENEW_SECONDS

    def one_token(self):
        """Return an access token, while there is no fault."""
        tokens = []
        until(lambda: tokens.append(self.new_token()) or tokens[-1])
        self.begun.pop(get_ident())  # not one of the threads
        return tokens[-1]

    def endure(self, name, happening, may_happen=()):
        """Have a fault happen, and wait until the load has recovered."""
        if time.monotonic() > self.warm_until:
            self.renew()
        with self.counting:
            self.fault, self.may_happen = name, {*may_happen}
        with happening():
            time.sleep(FAULT_SECONDS)
        healed = time.monotonic()
        self.recover()
        self.recoveries[name] = max(self.recoveries[name], time.monotonic() - healed)

    def recover(self):
        """Return when each kind is answered well, and no request is older than that."""
        healed = time.monotonic()
        with self.counting:
            self.streaks.clear()
        self.wait(
            lambda: (
                all(self.streaks[kind] >= STREAK for kind in GOOD)
                and min(self.begun.values()) > healed
            )
        )
        with self.counting:
            self.fault, self.may_happen = "none", set()

    def meet(self, kind, status):
        """Return when the load has met an outcome in this fault."""
        self.wait(lambda: self.counts[self.fault][kind, status])

    def wait(self, holds):
        """Return once `holds()` is true; raise what a thread has raised."""
        until(lambda: self.over.is_set() or holds())
        if self.over.is_set():
            for thread in self.threads:
                thread.result()

    @contextmanager
    def set_back(self, seconds, postgresql):
        """Set the clock of the resource server back; a token that it remembers expires then."""
        token = self.one_token()
        with faults.administrator(postgresql, "authorization_server") as connection:
            connection.execute(EXPIRE, [token])
        expired = time.monotonic() + 3
        self.get(requests, "new token", token)
        with self.api.clock.moved(seconds):
            yield
            time.sleep(max(0, expired - time.monotonic()))
            self.get(requests, "revoked token", token)
        self.begun.pop(get_ident())

    def report(self):
        """Print a line for each fault: its answers, and the seconds until all was well again."""
        print(
            "\n| fault | as without | 503 | 401 | lost | well after |", f"|{'---|' * 6}", sep="\n"
        )
        for name, found in self.counts.items():
            cells = [sum(found[one] for one in GOOD.items())]
            cells += [
                sum(n for (kind, status), n in found.items() if status == each != GOOD[kind])
                for each in (503, 401, "lost")
            ]
            print(f"| {name} |", *(f"{cell:,} |" for cell in cells), end=" ")
            print(f"{self.recoveries[name]:.1f} s |" if name in self.recoveries else "|")
        print(f"\nA revoked token was accepted for {self.longest:.1f} s at most.")
