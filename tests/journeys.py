"""Requests from several threads until a block ends, while something is changed."""

import threading
from collections import Counter
from contextlib import suppress

import requests
from stack import read_env

SECONDS = 30  # for an answer, on a busy machine
LONGEST_SECONDS = 180  # for a number of answers


class Repeated:
    """Counts what `endless()` yields in each thread; a subclass says what that is."""

    def __init__(self, threads):
        self.answers = Counter()
        self._over, self._more = threading.Event(), threading.Condition()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *exception):
        if not any(exception):
            with suppress(TimeoutError):  # The test checks `answers`.
                self.wait_for_more()
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def total(self):
        """The number of answers."""
        with self._more:
            return self.answers.total()

    def wait_for_more(self, number=100):
        """Return after `number` more answers."""
        with self._more:
            enough = self.answers.total() + number
            if not self._more.wait_for(lambda: self.answers.total() >= enough, LONGEST_SECONDS):
                raise TimeoutError(f"no {number} answers in {LONGEST_SECONDS} s: {self.answers}")

    def _run(self):
        for answer in self.endless():
            with self._more:
                self.answers[answer] += 1
                self._more.notify_all()
            if self._over.is_set():
                return


class Journeys(Repeated):
    """Programs that get new tokens and use them.

    Counts answers by what is asked and the status, or by the name of an error. Each new token needs
    an introspection. Each thread keeps its connections.
    """

    def __init__(self, project, threads=3):
        super().__init__(threads)
        self.project = project

    @property
    def refused(self):
        """The counts of everything that is not 200."""
        return {one: number for one, number in self.answers.items() if one[1] != 200}

    def endless(self):
        with requests.Session() as session:
            while True:
                yield from self._once(session)

    def _once(self, session):
        """Yield what is asked and the status of the answer, for each request."""
        env = read_env(self.project)
        issuer, api = env["AUTHORIZATION_SERVER_URL"], env["ORDERS_URL"]
        try:
            answer = session.post(
                f"{issuer}/o/token/",
                {"grant_type": "client_credentials", "scope": "orders:read"},
                auth=(env["DEMO_MACHINE_CLIENT_ID"], env["DEMO_MACHINE_CLIENT_SECRET"]),
                timeout=SECONDS,
            )
            yield "token", answer.status_code
            headers = {"Authorization": f"Bearer {answer.json().get('access_token')}"}
            for url in f"{api}/api/items/", f"{issuer}/o/.well-known/jwks.json":
                yield url, session.get(url, headers=headers, timeout=SECONDS).status_code
        except requests.RequestException as error:
            yield "nothing", type(error).__name__
