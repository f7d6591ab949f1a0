"""System checks of the settings. The number of a check never changes."""

from collections.abc import Iterator
from dataclasses import fields
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from oauth2_provider.scopes import get_scopes_backend
from oauth2_provider.settings import oauth2_settings

from oauth_resource_server.conf import Conf, read_conf
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.presets import BUNDLED
from oauth_resource_server.issuers.settings import parts_of
from oauth_resource_server.users import CREATE, LINKED, NONE, unfilled_fields

URL = "OAUTH2_PROVIDER['RESOURCE_SERVER_INTROSPECTION_URL']"
CREDENTIALS = "OAUTH2_PROVIDER['RESOURCE_SERVER_INTROSPECTION_CREDENTIALS']"
ISSUER = "OAUTH_RESOURCE_SERVER['ISSUER']"
VALIDATOR = "oauth_resource_server.django.oauth2_validator.ResourceServerValidator"
NOT_SHARED = ("LocMemCache", "DummyCache")
NOT_ABSOLUTE = "is not an absolute http or https URL without credentials in it."
BEARER_TOKEN = "OAUTH2_PROVIDER['RESOURCE_SERVER_AUTH_TOKEN']"  # noqa: S105


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    conf = read_conf()
    checks = [_check_numbers, _check_users, _check_shared_cache, _check_names, _check_events]
    checks += [_check_validator]
    if _uses_bundled(conf):
        checks += [_check_url, _check_credentials, _check_issuer]
    if (conf.url and conf.issuer) or not _uses_bundled(conf):
        checks += [_check_issuers]  # Otherwise E001 or E006 says so.
    return [message for check in checks for message in check(conf)]


def _uses_bundled(conf: Conf) -> bool:
    entries = conf.issuers if isinstance(conf.issuers, list | tuple) else [{"preset": BUNDLED}]
    return any(isinstance(one, dict) and one.get("preset") == BUNDLED for one in entries)


def _error(number: int, message: str) -> Error:
    return Error(message, id=f"oauth_resource_server.E{number:03}")


def _warning(number: int, message: str) -> Warning:
    return Warning(message, id=f"oauth_resource_server.W{number:03}")


def _is_absolute(url: str) -> bool:
    parts = parts_of(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username


def _check_url(conf: Conf) -> Iterator[CheckMessage]:
    if not conf.url:
        yield _error(1, f"{URL} is not set.")
        return
    if not _is_absolute(conf.url):
        yield _error(2, f"{URL} {NOT_ABSOLUTE}")
    elif not parts_of(conf.url).path.endswith("/"):
        yield _warning(3, f"{URL} does not end in a slash, as DOT's /o/introspect/ does.")


def _check_events(conf: Conf) -> Iterator[CheckMessage]:
    if conf.revocation_events_url and not _is_absolute(conf.revocation_events_url):
        name = "OAUTH_RESOURCE_SERVER['REVOCATION_EVENTS_URL']"
        yield _error(17, f"{name} {NOT_ABSOLUTE}")


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
        yield _error(6, f"{ISSUER} is not set.")
    elif conf.issuer.endswith("/"):
        yield _warning(7, f"{ISSUER} ends in a slash, as `iss` must then.")
    if not conf.audience:
        text = "OAUTH_RESOURCE_SERVER['AUDIENCE'] is not set, so tokens for others are accepted."
        yield _warning(8, text)


def _check_numbers(conf: Conf) -> Iterator[CheckMessage]:
    for one in fields(conf):
        if one.metadata["between"]:
            (least, most), value = one.metadata["between"], getattr(conf, one.name)
            if type(value) not in (int, float) or not least <= value <= most:
                name = one.metadata["setting"]
                yield _error(9, f"{name} is {value!r}, not a number from {least} to {most}.")


def _check_users(conf: Conf) -> Iterator[CheckMessage]:
    if conf.users not in (CREATE, LINKED, NONE):
        yield _error(10, f"USERS is {conf.users!r}, expected 'create', 'linked' or 'none'.")
    elif conf.users == CREATE and conf.user_factory:
        try:
            import_string(conf.user_factory)
        except ImportError as error:
            yield _error(10, f"USER_FACTORY cannot be imported: {error}.")
    elif conf.users == CREATE and (unfilled := ", ".join(unfilled_fields())):
        yield _error(
            10,
            f"USERS is 'create', but {settings.AUTH_USER_MODEL} needs a value for {unfilled}: "
            "set USER_FACTORY, or set USERS to 'linked' or 'none'.",
        )


def _check_shared_cache(conf: Conf) -> Iterator[CheckMessage]:
    if not conf.shared_cache:
        return
    if conf.shared_cache not in settings.CACHES:
        yield _error(11, f"SHARED_CACHE is {conf.shared_cache!r}, which is not in CACHES.")
    elif settings.CACHES[conf.shared_cache]["BACKEND"].rpartition(".")[2] in NOT_SHARED:
        yield _warning(12, f"SHARED_CACHE is {conf.shared_cache!r}, which processes do not share.")


def _check_names(conf: Conf) -> Iterator[CheckMessage]:
    for network in conf.metrics_networks:
        try:
            ip_network(network)
        except ValueError:
            yield _error(13, f"METRICS_NETWORKS holds {network!r}, which is not an IP network.")
    try:
        import_string(conf.request_headers or "builtins.dict")
    except ImportError as error:
        yield _error(16, f"REQUEST_HEADERS cannot be imported: {error}.")


def _check_validator(conf: Conf) -> Iterator[CheckMessage]:
    try:
        is_ours = issubclass(oauth2_settings.OAUTH2_VALIDATOR_CLASS, import_string(VALIDATOR))
    except ImportError:
        is_ours = False
    if not is_ours:
        name = "OAUTH2_PROVIDER['OAUTH2_VALIDATOR_CLASS']"
        yield _error(18, f"{name} is no subclass of {VALIDATOR}: remove it, or change it.")


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
    """Return whether `scope` has a prefix of `mine` or resembles one: not that of another API."""
    if scope in mine:
        return False
    has_my_prefix = scope.partition(":")[0] in {one.partition(":")[0] for one in mine}
    return has_my_prefix or bool(get_close_matches(scope, mine, cutoff=0.85))
