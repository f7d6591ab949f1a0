"""The settings of the package, read when they are first needed and in this file only.

``OAUTH2_PROVIDER`` holds what django-oauth-toolkit (DOT) has a name for, ``OAUTH_RESOURCE_SERVER``
the rest. The README describes each; ``checks.py`` says what is wrong with them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.signals import setting_changed

T = TypeVar("T")
# Loopback, RFC 1918 and RFC 4193: who is there is not on the Internet.
PRIVATE_NETWORKS = (
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    *("::1/128", "fc00::/7"),
)
_everything: list[PerProcess[Any]] = []


class PerProcess(Generic[T]):
    """Something that its threads share: made when it is first needed, once per process.

    A forked child makes its own. Two processes must not write to one connection, and a lock that
    another thread held during the fork would never be released in the child.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock = Lock()
        _everything.append(self)

    def __call__(self) -> T:
        made = self._made
        if made is None:
            with self._lock:
                made = self._made
                if made is None:
                    made = self._made = self._make()
        return made

    def forget(self) -> None:
        """Make it anew when it is next needed."""
        self._made = None
        self._lock = Lock()


def reset_process_state() -> None:
    """Forget whatever this process has made: in a forked child, or because a setting changed."""
    for thing in _everything:
        thing.forget()


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    if setting in ("OAUTH2_PROVIDER", "OAUTH_RESOURCE_SERVER"):
        reset_process_state()


setting_changed.connect(_on_setting_changed)
if hasattr(os, "register_at_fork"):  # Not on Windows, which has no fork either.
    os.register_at_fork(after_in_child=reset_process_state)


@dataclass(frozen=True, slots=True)
class Conf:
    """The settings. Durations are seconds; `issuer` and `audience` are compared as they stand."""

    url: str
    credentials: tuple[str, str] | None = field(repr=False)
    bearer_token: str | None = field(repr=False)
    issuer: str
    audience: str
    realm: str
    connect_timeout: float
    read_timeout: float
    total_timeout: float
    caching_seconds: float
    inactive_caching_seconds: float
    cache_max_entries: int
    inactive_cache_max_entries: int
    shared_cache: str | None
    stale_if_error: float
    retry_after: int
    pool_size: int
    max_waiting_threads: int
    breaker_outages: int
    breaker_max_delay: float
    inactive_rate: float
    inactive_burst: int
    metrics_networks: Sequence[str]
    issuers: Any = field(repr=False)  # May hold secrets.


def read_conf() -> Conf:
    """Read the settings as they stand, right or wrong."""
    dot = getattr(settings, "OAUTH2_PROVIDER", None) or {}
    own = getattr(settings, "OAUTH_RESOURCE_SERVER", None) or {}
    return Conf(
        url=dot.get("RESOURCE_SERVER_INTROSPECTION_URL") or "",
        credentials=dot.get("RESOURCE_SERVER_INTROSPECTION_CREDENTIALS"),
        bearer_token=dot.get("RESOURCE_SERVER_AUTH_TOKEN"),
        # DOT's default is ten hours, in which a revoked token stays good.
        caching_seconds=dot.get("RESOURCE_SERVER_TOKEN_CACHING_SECONDS", 60),
        read_timeout=dot.get("RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS", 2),
        issuer=own.get("ISSUER") or "",
        audience=own.get("AUDIENCE") or "",
        realm=own.get("REALM", "api"),
        connect_timeout=own.get("CONNECT_TIMEOUT_SECONDS", 1),
        total_timeout=own.get("TOTAL_TIMEOUT_SECONDS", 3),
        inactive_caching_seconds=own.get("INACTIVE_CACHING_SECONDS", 5),
        cache_max_entries=own.get("CACHE_MAX_ENTRIES", 100_000),
        inactive_cache_max_entries=own.get("INACTIVE_CACHE_MAX_ENTRIES", 1_000),
        shared_cache=own.get("SHARED_CACHE"),
        stale_if_error=own.get("STALE_IF_ERROR_SECONDS", 0),
        retry_after=own.get("RETRY_AFTER_SECONDS", 5),
        pool_size=own.get("POOL_SIZE", 10),
        max_waiting_threads=own.get("MAX_WAITING_THREADS", 4),
        breaker_outages=own.get("BREAKER_OUTAGES", 5),
        breaker_max_delay=own.get("BREAKER_MAX_DELAY_SECONDS", 2),
        inactive_rate=own.get("INVALID_TOKEN_RATE", 10),
        inactive_burst=own.get("INVALID_TOKEN_BURST", 20),
        metrics_networks=own.get("METRICS_NETWORKS", PRIVATE_NETWORKS),
        issuers=own.get("ISSUERS"),
    )


conf = PerProcess(read_conf)
