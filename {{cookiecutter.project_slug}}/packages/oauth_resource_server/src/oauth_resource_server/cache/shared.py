"""The second level of the cache: what other processes have asked, in Django's cache framework."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from math import ceil
from typing import Any

from django.core.cache import caches

from oauth_resource_server.tokens import AccessToken

VERSION = 1
QUIET_SECONDS = 60
RETRY_SECONDS = 1

log = logging.getLogger(__name__)


class JSONSerializer:
    """For the ``serializer`` option of Django's Redis backend, which pickles even strings.

    Nothing that is read from the server is executed then, whoever has written it.
    """

    def dumps(self, value: Any) -> bytes:
        """Return the bytes that are stored."""
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        """Return the value."""
        return json.loads(data)


class SharedCache:
    """Shares active tokens with the other processes of this resource server.

    The key is a digest. The value is JSON and not a pickled object: processes of two releases may
    share it during a deployment, and a class that has changed must not break the other one, nor may
    whoever can write there choose what is executed here. It carries the time of the question, so
    that a token lives no longer for having been shared. Inactive tokens are not shared: nothing
    bounds the garbage in a server of its own, where it would drive good tokens out.

    A cache that fails is an empty one. It is left alone for a second, and the log says so once a
    minute.

    Args:
        alias: Of Django's ``CACHES``.
        judge: Whose judgement is shared. For another audience, or with other credentials, the
            answer about the same token is another one.
        caching_seconds: From the question.
        seconds_of: The same, where it depends on the issuer of a token.
        timer: Unix seconds; processes on several machines compare them.
    """

    def __init__(
        self,
        alias: str,
        *,
        judge: tuple[str, ...],
        caching_seconds: float,
        seconds_of: Callable[[AccessToken], float] | None = None,
        timer: Callable[[], float] = time.time,
    ) -> None:
        self._alias = alias
        digest = sha256(json.dumps(judge).encode()).hexdigest()[:16]
        self._prefix = f"oauth_resource_server:{VERSION}:{digest}:"
        self._seconds_of = seconds_of or (lambda token: caching_seconds)
        self._timer = timer
        self._retry_at = self._warn_at = 0.0

    def get(self, key: bytes) -> tuple[float, AccessToken] | None:
        """Return when somebody asked about the token, and what it is; None if nobody did."""
        value = self._try("get", key)
        if value is None:
            return None
        try:
            asked, members = json.loads(value)
            token = AccessToken(**members | {"aud": tuple(members["aud"])})
            age = self._timer() - asked
            expired = token.is_expired()
        except (ValueError, TypeError, KeyError):
            return None  # Not ours. The next answer replaces it.
        # From the future: another clock is ahead, and would lengthen the life of the token.
        if not 0 <= age < self._seconds_of(token) or expired:
            return None
        return asked, token

    def set(self, key: bytes, asked: float, token: AccessToken) -> None:
        """Share `token`, as far as there is time left."""
        now = self._timer()
        until = asked + self._seconds_of(token)
        seconds = (until if token.exp is None else min(until, token.exp)) - now
        if seconds > 0:
            self._try("set", key, json.dumps([asked, asdict(token)]), ceil(seconds))

    def _try(self, method: str, key: bytes, *args: Any) -> Any:
        if time.monotonic() < self._retry_at:
            return None
        try:
            return getattr(caches[self._alias], method)(self._prefix + key.hex(), *args)
        except Exception as error:  # Each backend has errors of its own.
            now = time.monotonic()
            self._retry_at = now + RETRY_SECONDS
            if now >= self._warn_at:
                self._warn_at = now + QUIET_SECONDS
                log.warning("The cache %r fails, and is not used: %r", self._alias, error)
            return None
