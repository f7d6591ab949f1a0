"""The settings of the library, read on first use and in this module only.

``OAUTH2_PROVIDER`` holds the settings that django-oauth-toolkit (DOT) has a name for,
``OAUTH_RESOURCE_SERVER`` the others. The README documents each; ``checks.py`` reports mistakes.
"""
# ruff: noqa: RUF009 - `_setting` returns a `dataclasses.field`.

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from threading import Lock
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.signals import setting_changed

T = TypeVar("T")
_singletons: list[PerProcess[Any]] = []


class PerProcess(Generic[T]):
    """A lazy singleton that the threads of one process share.

    A forked child makes its own: two processes must not write to one connection, and a lock that
    another thread held during the fork would never be released in the child.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self.made: T | None = None  # Until the first call.
        self._lock = Lock()
        _singletons.append(self)

    def __call__(self) -> T:
        if (made := self.made) is not None:
            return made
        with self._lock:
            if self.made is None:
                self.made = self._make()
            return self.made

    def forget(self) -> None:
        self.made = None
        self._lock = Lock()


def reset_process_state() -> None:
    """Discard the singletons of this process: in a forked child, or after a change of settings."""
    for singleton in _singletons:
        singleton.forget()


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    if setting in ("OAUTH2_PROVIDER", "OAUTH_RESOURCE_SERVER"):
        reset_process_state()


setting_changed.connect(_on_setting_changed)
if hasattr(os, "register_at_fork"):  # Not on Windows, which does not fork.
    os.register_at_fork(after_in_child=reset_process_state)


def _setting(
    name: str, default: Any, between: tuple[float, float] | None = None, *, secret: bool = False
) -> Any:
    """Return a field that is read from the setting `name`. E009 checks that it is `between`."""
    metadata = {"setting": name, "between": between}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Conf:
    """The settings, not yet checked. Durations are seconds."""

    url: str = _setting("RESOURCE_SERVER_INTROSPECTION_URL", "")
    credentials: tuple[str, str] | None = _setting(
        "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS", None, secret=True
    )
    secret_file: str = _setting("INTROSPECTION_SECRET_FILE", "")
    bearer_token: str | None = _setting("RESOURCE_SERVER_AUTH_TOKEN", None, secret=True)
    # DOT's default of ten hours would accept a revoked token for that long.
    caching_seconds: float = _setting("RESOURCE_SERVER_TOKEN_CACHING_SECONDS", 60, (0, 3600))
    read_timeout: float = _setting("RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS", 2, (0.01, 60))
    issuer: str = _setting("ISSUER", "")
    audience: str = _setting("AUDIENCE", "")
    realm: str = _setting("REALM", "api")
    connect_timeout: float = _setting("CONNECT_TIMEOUT_SECONDS", 1, (0.01, 60))
    total_timeout: float = _setting("TOTAL_TIMEOUT_SECONDS", 3, (0.01, 60))
    revocation_events_url: str = _setting("REVOCATION_EVENTS_URL", "")
    caching_seconds_while_live: float = _setting("CACHING_SECONDS_WHILE_LIVE", 600, (0, 86_400))
    inactive_caching_seconds: float = _setting("INACTIVE_CACHING_SECONDS", 5, (0, 5))
    cache_max_entries: int = _setting("CACHE_MAX_ENTRIES", 100_000, (1, 10_000_000))
    inactive_cache_max_entries: int = _setting("INACTIVE_CACHE_MAX_ENTRIES", 1_000, (1, 10_000_000))
    shared_cache: str | None = _setting("SHARED_CACHE", None)
    stale_if_error: float = _setting("STALE_IF_ERROR_SECONDS", 0, (0, 86_400))
    retry_after: int = _setting("RETRY_AFTER_SECONDS", 5, (1, 3600))
    max_waiting_threads: int = _setting("MAX_WAITING_THREADS", 4, (1, 1000))
    breaker_outages: int = _setting("BREAKER_OUTAGES", 5, (1, 1000))
    breaker_max_delay: float = _setting("BREAKER_MAX_DELAY_SECONDS", 2, (0.01, 60))
    inactive_rate: float = _setting("INVALID_TOKEN_RATE", 10, (0.01, 10_000))
    inactive_burst: int = _setting("INVALID_TOKEN_BURST", 20, (1, 10_000))
    metrics_networks: Sequence[str] = _setting("METRICS_NETWORKS", ())
    metrics_token: str = _setting("METRICS_TOKEN", "", secret=True)
    users: str = _setting("USERS", "create")
    user_factory: str | None = _setting("USER_FACTORY", None)
    request_headers: str | None = _setting("REQUEST_HEADERS", None)
    issuers: Any = _setting("ISSUERS", None, secret=True)

    @property
    def audiences(self) -> tuple[str, ...]:
        return (self.audience,) if self.audience else ()


def read_conf() -> Conf:
    dot = getattr(settings, "OAUTH2_PROVIDER", None) or {}
    own = getattr(settings, "OAUTH_RESOURCE_SERVER", None) or {}
    values: dict[str, Any] = {}
    for one in fields(Conf):
        name = one.metadata["setting"]
        value = (dot if name.startswith("RESOURCE_SERVER_") else own).get(name, one.default)
        values[one.name] = "" if value is None and one.default == "" else value
    return Conf(**values)


conf = PerProcess(read_conf)
