"""Requests from several threads, one after the other, each answer counted."""

import threading
import time
from collections import Counter
from contextlib import suppress

import urllib3

PAUSE_SECONDS = 0.005
# A test that hangs must not leave threads that send for ever.
LONGEST_SECONDS = 180


def connection_pool(url, *, threads=1, **options):
    """Return connections to the server of `url`, which repeats and redirects nothing by itself."""
    return urllib3.connection_from_url(url, maxsize=threads, timeout=30, retries=False, **options)


class Load:
    """Asks for one address until the block is left.

    ``answers`` counts each answer by its status, and each request without one by the name of the
    error. The pace is a few hundred requests a second, so that services that start meanwhile get
    their share of the processor.

    Args:
        pool: Connections to the server.
        path: What to ask for.
        headers: Sent with each request.
        threads: How many ask at the same time.
    """

    def __init__(self, pool, path, headers, threads=4):
        self.answers = Counter()
        self._pool, self._path, self._headers = pool, path, headers
        self._over = threading.Event()
        self._deadline = time.monotonic() + LONGEST_SECONDS
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *exception):
        if not any(exception):
            with suppress(TimeoutError):  # The test looks at `answers`.
                self.wait_for_more()
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def total(self):
        """Requests that have come to an end."""
        with self._lock:
            return self.answers.total()

    def wait_for_more(self, number=100):
        """Return after `number` more requests."""
        enough = self.total + number
        while self.total < enough:
            if time.monotonic() > self._deadline:
                raise TimeoutError(f"no {number} requests in {LONGEST_SECONDS} s: {self.answers}")
            time.sleep(PAUSE_SECONDS)

    def _run(self):
        while not self._over.is_set() and time.monotonic() < self._deadline:
            answer = self._ask()
            with self._lock:
                self.answers[answer] += 1
            time.sleep(PAUSE_SECONDS)

    def _ask(self):
        try:
            return self._pool.request("GET", self._path, headers=self._headers).status
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
