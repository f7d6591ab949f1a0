"""System checks: what is wrong with the settings, before the first request finds out."""

from collections.abc import Iterator
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from oauth2_provider.scopes import get_scopes_backend

from oauth_resource_server.conf import Conf, read_conf
from oauth_resource_server.issuers.configuration import BUNDLED, read_issuers
from oauth_resource_server.users import AbstractResourceOwner

URL = "OAUTH2_PROVIDER['RESOURCE_SERVER_INTROSPECTION_URL']"
CREDENTIALS = "OAUTH2_PROVIDER['RESOURCE_SERVER_INTROSPECTION_CREDENTIALS']"
NOT_SHARED = ("LocMemCache", "DummyCache")
BEARER_TOKEN = "OAUTH2_PROVIDER['RESOURCE_SERVER_AUTH_TOKEN']"  # noqa: S105


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return every problem; their numbers never change."""
    conf = read_conf()
    bundled = (_check_url, _check_credentials, _check_issuer) if _is_bundled_used(conf) else ()
    return [
        *(message for check in bundled for message in check(conf)),
        *_check_numbers(conf),
        *_check_user_model(),
        *_check_shared_cache(conf),
        *_check_networks(conf),
        *_check_issuers(conf),
    ]


def _is_bundled_used(conf: Conf) -> bool:
    entries = conf.issuers if isinstance(conf.issuers, list | tuple) else [{"preset": BUNDLED}]
    return any(isinstance(one, dict) and one.get("preset") == BUNDLED for one in entries)


def _error(number: int, message: str) -> Error:
    return Error(message, id=f"oauth_resource_server.E{number:03}")


def _warning(number: int, message: str) -> Warning:
    return Warning(message, id=f"oauth_resource_server.W{number:03}")


def _check_url(conf: Conf) -> Iterator[CheckMessage]:
    if not conf.url:
        yield _error(1, f"{URL} is not set.")
        return
    parts = urlsplit(conf.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        yield _error(2, f"{URL} is not an absolute http or https URL without credentials in it.")
    elif not parts.path.endswith("/"):
        yield _warning(3, f"{URL} does not end in a slash, as DOT's /o/introspect/ does.")


def _check_credentials(conf: Conf) -> Iterator[CheckMessage]:
    if bool(conf.credentials) == bool(conf.bearer_token):
        yield _error(4, f"Exactly one of {CREDENTIALS} and {BEARER_TOKEN} must be set.")
    elif conf.credentials and not (
        isinstance(conf.credentials, tuple | list)
        and len(conf.credentials) == 2
        and all(isinstance(part, str) and part for part in conf.credentials)
    ):
        yield _error(5, f"{CREDENTIALS} is not a pair of client id and secret.")


def _check_issuer(conf: Conf) -> Iterator[CheckMessage]:
    if not conf.issuer:
        yield _error(6, "OAUTH_RESOURCE_SERVER['ISSUER'] is not set.")
    elif conf.issuer.endswith("/"):
        yield _warning(7, "OAUTH_RESOURCE_SERVER['ISSUER'] ends in a slash. `iss` must do so too.")
    if not conf.audience:
        yield _warning(8, "OAUTH_RESOURCE_SERVER['AUDIENCE'] is not set: tokens for others pass.")


def _check_numbers(conf: Conf) -> Iterator[CheckMessage]:
    bounds = {
        "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": (conf.caching_seconds, 0, 3600),
        "RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS": (conf.read_timeout, 0.01, 60),
        "CONNECT_TIMEOUT_SECONDS": (conf.connect_timeout, 0.01, 60),
        "TOTAL_TIMEOUT_SECONDS": (conf.total_timeout, 0.01, 60),
        "INACTIVE_CACHING_SECONDS": (conf.inactive_caching_seconds, 0, 5),
        "CACHE_MAX_ENTRIES": (conf.cache_max_entries, 1, 10_000_000),
        "INACTIVE_CACHE_MAX_ENTRIES": (conf.inactive_cache_max_entries, 1, 10_000_000),
        "STALE_IF_ERROR_SECONDS": (conf.stale_if_error, 0, 86_400),
        "RETRY_AFTER_SECONDS": (conf.retry_after, 1, 3600),
        "POOL_SIZE": (conf.pool_size, 1, 1000),
        "MAX_WAITING_THREADS": (conf.max_waiting_threads, 1, 1000),
        "BREAKER_OUTAGES": (conf.breaker_outages, 1, 1000),
        "BREAKER_MAX_DELAY_SECONDS": (conf.breaker_max_delay, 0.01, 60),
        "INVALID_TOKEN_RATE": (conf.inactive_rate, 0.01, 10_000),
        "INVALID_TOKEN_BURST": (conf.inactive_burst, 1, 10_000),
    }
    for name, (value, least, most) in bounds.items():
        if type(value) not in (int, float) or not least <= value <= most:
            yield _error(9, f"{name} is {value!r}, not a number from {least} to {most}.")


def _check_user_model() -> Iterator[CheckMessage]:
    if not issubclass(get_user_model(), AbstractResourceOwner):
        yield _error(10, "AUTH_USER_MODEL does not extend oauth_resource_server's resource owner.")


def _check_shared_cache(conf: Conf) -> Iterator[CheckMessage]:
    if not conf.shared_cache:
        return
    if conf.shared_cache not in settings.CACHES:
        yield _error(11, f"SHARED_CACHE is {conf.shared_cache!r}, which CACHES does not have.")
    elif settings.CACHES[conf.shared_cache]["BACKEND"].rpartition(".")[2] in NOT_SHARED:
        yield _warning(12, f"SHARED_CACHE is {conf.shared_cache!r}, which no process shares.")


def _check_networks(conf: Conf) -> Iterator[CheckMessage]:
    for network in conf.metrics_networks:
        try:
            ip_network(network)
        except ValueError:
            yield _error(13, f"METRICS_NETWORKS holds {network!r}, which is no network.")


def _check_issuers(conf: Conf) -> Iterator[CheckMessage]:
    try:
        issuers = read_issuers(conf)
    except ImproperlyConfigured as error:
        yield _error(14, str(error))
        return
    mine = sorted(get_scopes_backend().get_all_scopes())
    for issuer in issuers:
        for claim, value, scopes in issuer.scopes:
            if wrong := [scope for scope in scopes if _is_misspelt(scope, mine)]:
                yield _warning(
                    15,
                    f"The issuer {issuer.name}: the rule '{claim}:{value}' grants "
                    f"{', '.join(wrong)}, and the scopes here are {', '.join(mine)}.",
                )


def _is_misspelt(scope: str, mine: list[str]) -> bool:
    """Return whether `scope` is meant to be one of `mine`, and is none.

    Resource servers may share one file of issuers, so a rule may grant what another one has. Of
    this one are those with its name in front, and what looks much like one of `mine`.
    """
    if scope in mine:
        return False
    is_named_alike = scope.partition(":")[0] in {one.partition(":")[0] for one in mine}
    return is_named_alike or bool(get_close_matches(scope, mine, cutoff=0.85))
