"""Cache of active tokens that the processes of a resource server share, in a Django cache."""

import json
import logging
import time
from dataclasses import asdict
from hashlib import sha256
from math import ceil
from threading import get_ident
from typing import Any

from django.core.cache import caches

from oauth_resource_server.tokens import AccessToken

VERSION = 2
RETRY_SECONDS = 1
SLOW_SECONDS = 0.25
LOG_INTERVAL_SECONDS = 60

log = logging.getLogger(__name__)


class SharedCache:
    """Second level of the cache. A cache that fails counts as empty for `RETRY_SECONDS`.

    It also does while a call takes longer than `SLOW_SECONDS`, as where a resolver is silent.

    Keys are digests of tokens. Values are JSON, so that two releases can share the cache during a
    deployment. A value carries the time of the introspection request, so that sharing a token does
    not extend its lifetime. Inactive tokens are not shared: their number has no bound in the cache
    server, where they would evict active ones.

    `alias` is the key in Django's ``CACHES``. `namespace` is what a validation depends on:
    processes with other issuers, audiences or credentials do not see these entries.
    """

    def __init__(self, alias: str, namespace: tuple[str, ...]) -> None:
        self._alias = alias
        digest = sha256(json.dumps(namespace).encode()).hexdigest()[:16]
        self._prefix = f"oauth_resource_server:{VERSION}:{digest}:"
        self._retry_at = self._log_at = 0.0
        self._since: dict[int, float] = {}  # When the current calls began, by thread.

    def get(self, key: bytes) -> tuple[float, AccessToken] | None:
        """Return the time of the introspection (Unix seconds) and the token, or None."""
        try:
            asked, members = json.loads(self._call("get", self._name(key)))
            access_token = AccessToken(**members | {"aud": tuple(members["aud"])})
            # A clock of another machine that is ahead would extend the lifetime.
            if asked > time.time() or access_token.is_expired():
                return None
        except (ValueError, TypeError, KeyError):
            return None  # Missing, or not written by this class. The next `set` replaces it.
        return asked, access_token

    def set(self, key: bytes, access_token: AccessToken, asked: float, until: float) -> None:
        """Share an active token until `until` (Unix seconds)."""
        seconds = until - time.time()
        if seconds > 0:
            value = json.dumps([asked, asdict(access_token)])
            self._call("set", self._name(key), value, ceil(seconds))

    def delete(self, keys: list[bytes]) -> None:
        """Stop sharing tokens."""
        self._call("delete_many", list(map(self._name, keys)))

    def _name(self, key: bytes) -> str:
        return self._prefix + key.hex()

    def _call(self, method: str, *args: Any) -> Any:
        now = time.monotonic()
        if now < self._retry_at or now - min([*self._since.values(), now]) > SLOW_SECONDS:
            return None
        self._since[get_ident()] = now
        try:
            return getattr(caches[self._alias], method)(*args)
        except Exception as error:  # Every cache backend raises exceptions of its own.
            now = time.monotonic()
            self._retry_at = now + RETRY_SECONDS
            if now >= self._log_at:
                self._log_at = now + LOG_INTERVAL_SECONDS
                log.warning("The cache %r fails and is not used: %r", self._alias, error)
            return None
        finally:
            del self._since[get_ident()]
