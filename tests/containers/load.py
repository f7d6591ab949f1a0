"""Send requests from several threads and count the responses."""

import threading
import time
from collections import Counter
from contextlib import suppress

import urllib3

PAUSE_SECONDS = 0.005
# The limit for threads of a test that hangs.
LONGEST_SECONDS = 180


def connection_pool(url, *, threads=1, **options):
    """Return a pool of connections to the server of `url`, without retries and redirects."""
    return urllib3.connection_from_url(url, maxsize=threads, timeout=30, retries=False, **options)


class Load:
    """Requests one path until the block ends.

    ``answers`` counts the responses by status, and the requests without a response by the name of
    the error. The rate is a few hundred requests a second, which leaves CPU time to services that
    start meanwhile.

    Args:
        pool: Connections to the server.
        path: The requested path.
        headers: Sent with each request.
        threads: The number of concurrent requests.
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
            with suppress(TimeoutError):  # The test checks `answers`.
                self.wait_for_more()
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def total(self):
        """Number of finished requests."""
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
            answer = self._send()
            with self._lock:
                self.answers[answer] += 1
            time.sleep(PAUSE_SECONDS)

    def _send(self):
        try:
            return self._pool.request("GET", self._path, headers=self._headers).status
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
