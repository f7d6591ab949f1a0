"""From the tables of ``OAUTH_RESOURCE_SERVER["ISSUERS"]`` to `IssuerSettings`.

Every mistake is an `ImproperlyConfigured` of one sentence. The types are checked by hand: a schema
library would be a dependency of every user for the dozen lines of `CONVERTERS`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.presets import BUNDLED, PRESETS, parameters_of
from oauth_resource_server.issuers.settings import (
    ALGORITHMS,
    IssuerSettings,
    Strategy,
    Strings,
    is_safe,
)

MAX_CACHING_SECONDS = 3600
MAX_ISS_LENGTH = 255  # The length of the column in the local user table.


def read_issuers(conf: Conf) -> tuple[IssuerSettings, ...]:
    """Return the issuers of `conf`; without ``ISSUERS`` the one of ``OAUTH2_PROVIDER``."""
    entries = [{"preset": BUNDLED}] if conf.issuers is None else conf.issuers
    if not isinstance(entries, list | tuple) or not entries:
        raise ImproperlyConfigured("OAUTH_RESOURCE_SERVER['ISSUERS'] is not a list of issuers.")
    issuers = tuple(_issuer(options, conf) for options in entries)
    _refuse_duplicates("name", [one.name for one in issuers])
    # One issuer may have two entries: one for its JWTs, one for its opaque tokens.
    verifying = [one for one in issuers if one.strategy.verifies]
    introspecting = [one for one in issuers if one.strategy is Strategy.INTROSPECTION]
    for entries in (verifying, introspecting):
        _refuse_duplicates("iss", [iss for one in entries for iss in (one.iss, *one.other_iss)])
    return issuers


def _refuse_duplicates(option: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ImproperlyConfigured(f"Two issuers have the {option} {value!r}.")


def _issuer(entry: Any, conf: Conf) -> IssuerSettings:
    if not isinstance(entry, Mapping):
        raise ImproperlyConfigured(f"An issuer is {entry!r}, not a table with a `preset`.")
    options = {key: value for key, value in entry.items() if value is not None}
    preset, name = options.pop("preset", None), options.get("name")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ImproperlyConfigured(f"There is no preset {preset!r}; there are {_shown(PRESETS)}.")
    try:
        issuer = _derived(preset, options, conf)
        # The system checks E001 to W008 examine the settings of the bundled one.
        if preset != BUNDLED and (mistake := _mistake(issuer)):
            raise ImproperlyConfigured(mistake)
    except ImproperlyConfigured as error:
        name = name if name and isinstance(name, str) else preset
        raise ImproperlyConfigured(f"The issuer {name}: {error}") from None
    return issuer


def _derived(preset: str, options: Mapping[str, Any], conf: Conf) -> IssuerSettings:
    derive, strategies = PRESETS[preset]
    parameters = parameters_of(preset)
    common = OPTIONS_OF_BUNDLED if preset == BUNDLED else COMMON
    convert = {key: COMMON[key] for key in common} | {
        key: CONVERTERS[one.annotation] for key, one in parameters.items()
    }
    if unknown := set(options) - set(convert):
        text = f"There is no option {_shown(unknown)}; there are {_shown(convert)}."
        raise ImproperlyConfigured(text)
    values = {key: convert[key](key, value) for key, value in options.items()}
    values = {key: value for key, value in values.items() if value not in ("", ())}
    own = {key: values.pop(key) for key in parameters if key in values}
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in own:
            raise ImproperlyConfigured(f"The option {key} is missing.")
    derived = derive(conf, **own)
    strategies = strategies or (derived.strategy,)
    strategy = values.get("strategy", strategies[0])
    if strategy not in strategies:
        text = f"The strategy {strategy!r} is not supported: use {' or '.join(strategies)}."
        raise ImproperlyConfigured(text)
    if "iss" in values:  # Another cloud of the vendor, for example, with a document of its own.
        values["discovery_url"] = ""
    # The discovery document of the vendor does not name a proxy or a private link.
    values["other_urls"] = (*derived.other_urls, derived.jwks_url, derived.introspection_url)
    values |= {"preset": preset, "name": values.get("name", preset), "strategy": Strategy(strategy)}
    return replace(derived, **values)


# Converters: from a value of the settings, of TOML or of the environment to the one of the field.
# Their messages never show the value of a string option, which may be a secret.


def _string(option: str, value: Any) -> str:
    if not isinstance(value, str):
        kind = type(value).__name__
        raise ImproperlyConfigured(f"The option {option} must be a string, got {kind}.")
    return value


def _strings(option: str, value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ImproperlyConfigured(f"The option {option} must be a string or a list of strings.")
    return tuple(part.strip() for part in parts if part.strip())


def _boolean(option: str, value: Any) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise ImproperlyConfigured(f"The option {option} must be true or false, got {value!r}.")
    return str(value).lower() == "true"


def _seconds(option: str, value: Any) -> float:
    try:
        seconds = -1 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = -1
    if not 0 <= seconds <= MAX_CACHING_SECONDS:
        most = f"a number from 0 to {MAX_CACHING_SECONDS}"
        raise ImproperlyConfigured(f"The option {option} must be {most}, got {value!r}.")
    return seconds


def _rules(option: str, value: Any) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Return (claim, value, scopes) of each ``"groups:admins" = ["orders:read"]``.

    The claim ends at the first colon. A claim whose name has a colon is a table from values to
    scopes.
    """
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured(f"The option {option} must be a table of claims and scopes.")
    rules: list[tuple[str, str, tuple[str, ...]]] = []
    for key, granted in value.items():
        where = f"scopes[{key!r}]"
        if not isinstance(key, str):
            raise ImproperlyConfigured(f"{key!r} in `scopes` is not a string.")
        if isinstance(granted, Mapping):
            rules += [(key, one, _strings(where, scopes)) for one, scopes in granted.items()]
            continue
        claim, _, one = key.partition(":")
        if not (claim and one):
            raise ImproperlyConfigured(f"{key!r} in `scopes` is not a claim, a colon and a value.")
        rules.append((claim, one, _strings(where, granted)))
    return tuple(rules)


Converter = Callable[[str, Any], Any]
# By the annotation of a preset's parameter.
CONVERTERS: dict[Any, Converter] = {str: _string, Strings: _strings, Any: lambda _, value: value}
# The options of every preset, in addition to the parameters of its function.
COMMON: dict[str, Converter] = {
    "name": _string,
    "strategy": _string,
    "caching_seconds": _seconds,
    "scopes": _rules,
    "client_ids": _strings,
    "algorithms": _strings,
    "types": lambda option, value: tuple(map(str.lower, _strings(option, value))),
    "aud_may_be_missing": _boolean,
    "iss": _string,
    "jwks_url": _string,
    "introspection_url": _string,
}
# The rest of the authorization server of ``OAUTH2_PROVIDER`` comes from there.
OPTIONS_OF_BUNDLED = ("name", "caching_seconds", "scopes", "client_ids")


def _mistake(issuer: IssuerSettings) -> str | None:
    """Return why `issuer` cannot work or would accept tokens for other resource servers."""
    verifies, asks = issuer.strategy.verifies, issuer.strategy.asks
    if not 0 < len(issuer.iss) <= MAX_ISS_LENGTH:
        return f"`iss` is empty or longer than {MAX_ISS_LENGTH} characters."
    if not ALGORITHMS.issuperset(issuer.algorithms):
        return f"`algorithms` is {_shown(issuer.algorithms)}; supported are {_shown(ALGORITHMS)}."
    for name, is_used in (("jwks_url", verifies), ("introspection_url", asks)):
        url = getattr(issuer, name)
        if is_used and not is_safe(url):
            url = url.rpartition("@")[2]  # There may be a password before it.
            return (
                f"{name} is {url!r}, not an https URL (http only for hosts of a private network)."
            )
    needs_credentials = asks and issuer.strategy is not Strategy.TOKENINFO
    if needs_credentials and bool(issuer.credentials) == bool(issuer.bearer_token):
        return f"The strategy {str(issuer.strategy)!r} needs `client_id` and `client_secret`."
    if verifies and issuer.aud_may_be_missing and not issuer.client_ids:
        return "With `aud_may_be_missing` set `client_ids`, or tokens for others would be accepted."
    if not issuer.audiences and not issuer.client_ids:
        return "Set `audience` or `client_ids`, or tokens for others would be accepted."
    return None


def _shown(names: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, names)))
