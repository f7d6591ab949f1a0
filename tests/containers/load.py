"""Send requests from several threads and count the responses."""

import time

import urllib3
from journeys import Repeated

PAUSE_SECONDS = 0.005


def connection_pool(url, *, threads=1, **options):
    """Return a pool of connections to the server of `url`, without retries and redirects."""
    return urllib3.connection_from_url(url, maxsize=threads, timeout=30, retries=False, **options)


class Load(Repeated):
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
        super().__init__(threads)
        self._pool, self._path, self._headers = pool, path, headers

    def endless(self):
        while True:
            yield self._send()
            time.sleep(PAUSE_SECONDS)

    def _send(self):
        try:
            return self._pool.request("GET", self._path, headers=self._headers).status
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
