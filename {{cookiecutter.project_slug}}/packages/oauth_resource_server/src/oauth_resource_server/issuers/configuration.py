"""The issuers of the settings: presets applied, and every mistake said in one sentence."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import replace
from inspect import Parameter
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.presets import PRESETS
from oauth_resource_server.issuers.settings import (
    ALGORITHMS,
    IssuerSettings,
    Strategy,
    Strings,
    as_list,
    is_list,
    is_safe,
)

BUNDLED = "authorization_server"
# Options of every preset, besides the parameters of its function.
COMMON = (
    *("name", "strategy", "caching_seconds", "scopes", "client_ids", "algorithms"),
    *("aud_may_be_missing", "iss", "jwks_url", "introspection_url"),
)
# Of these, the ones that are strings, and the ones that are lists. The others are read as they are.
STRINGS = ("name", "strategy", "iss", "jwks_url", "introspection_url")
LISTS = ("client_ids", "algorithms")
SECRETS = ("client_secret", "bearer_token")
MAX_CACHING_SECONDS = 3600
MAX_ISS_LENGTH = 255  # What the column of a local user holds.


def read_issuers(conf: Conf) -> tuple[IssuerSettings, ...]:
    """Return the issuers of ``OAUTH_RESOURCE_SERVER["ISSUERS"]``; without it, the bundled one.

    Raises:
        ImproperlyConfigured: With what is wrong, and with which entry.
    """
    if conf.issuers is None:
        return (bundled(conf),)
    if not isinstance(conf.issuers, list | tuple) or not conf.issuers:
        raise ImproperlyConfigured("OAUTH_RESOURCE_SERVER['ISSUERS'] is not a list of issuers.")
    found = tuple(_issuer(options, conf) for options in conf.issuers)
    _no_duplicates("name", [issuer.name for issuer in found])
    # Opaque tokens of one issuer may be judged in another way than its JWTs.
    _no_duplicates("iss", [iss for one in found if one.strategy.verifies for iss in _names(one)])
    asked = [one for one in found if one.strategy is Strategy.INTROSPECTION]
    _no_duplicates("iss", [iss for one in asked for iss in _names(one)])
    return found


def _names(issuer: IssuerSettings) -> tuple[str, ...]:
    return issuer.iss, *issuer.other_iss


def bundled(conf: Conf) -> IssuerSettings:
    """Return the authorization server of this project, out of DOT's settings."""
    return IssuerSettings(
        iss=conf.issuer,
        preset=BUNDLED,
        name=BUNDLED,
        audiences=(conf.audience,) if conf.audience else (),
        introspection_url=conf.url,
        credentials=None if conf.bearer_token else conf.credentials,
        bearer_token=conf.bearer_token,
        iss_may_be_missing=False,
    )


def _no_duplicates(what: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ImproperlyConfigured(
                f"Two issuers have the {what} {value!r}: give one of them another."
            )


def _issuer(options: Any, conf: Conf) -> IssuerSettings:
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(f"An issuer is {options!r}, not a table with a `preset`.")
    options = {key: value for key, value in options.items() if value is not None}
    preset, name = options.get("preset"), options.get("name")
    if not isinstance(preset, str) or (preset != BUNDLED and preset not in PRESETS):
        known = ", ".join((BUNDLED, *PRESETS))
        raise ImproperlyConfigured(f"There is no preset {preset!r}; there are {known}.")
    name = name if name and isinstance(name, str) else preset
    try:
        if preset == BUNDLED:
            return _bundled(options, conf)
        return _checked(_with_common(preset, name, options, conf))
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"The issuer {name}: {error}") from None


def _bundled(options: Mapping[str, Any], conf: Conf) -> IssuerSettings:
    if extra := set(options) - {"preset", "name", "scopes", "caching_seconds"}:
        raise ImproperlyConfigured(
            f"{_shown(extra)} cannot be set here: it comes from OAUTH2_PROVIDER and "
            "OAUTH_RESOURCE_SERVER."
        )
    _check_types(options, {})
    return replace(bundled(conf), **_common(options))


def _check_types(options: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> None:
    """Check that what is used as a string or a list is one, before anything is made of it."""
    annotations = dict.fromkeys(STRINGS, str) | dict.fromkeys(LISTS, Strings)
    annotations |= {name: one.annotation for name, one in parameters.items()}
    for name, value in options.items():
        wanted = annotations.get(name)
        # Not the value: it may be a secret.
        if wanted is str and not isinstance(value, str):
            raise ImproperlyConfigured(
                f"The option {name} is of the type {type(value).__name__}, not a string."
            )
        if wanted is Strings and not is_list(value):
            raise ImproperlyConfigured(f"The option {name} is not a string or a list of strings.")


def _with_common(preset: str, name: str, options: dict[str, Any], conf: Conf) -> IssuerSettings:
    derive, strategies = PRESETS[preset]
    parameters = inspect.signature(derive).parameters
    if unknown := set(options) - {"preset", *parameters, *COMMON}:
        raise ImproperlyConfigured(
            f"There is no option {_shown(unknown)}; there are {_shown({*parameters, *COMMON})}."
        )
    _check_types(options, parameters)
    own = {key: value for key, value in options.items() if key in parameters and value != ""}
    needed = {key for key, one in parameters.items() if one.default is one.empty}
    if missing := needed - set(own):
        raise ImproperlyConfigured(f"The option {_shown(missing)} is missing.")
    if "audience" in parameters and not own.get("audience") and preset not in OWN_AUDIENCE:
        own["audience"] = conf.audience
    derived = derive(**own)
    strategies = strategies or (derived.strategy,)
    changes: dict[str, Any] = {"preset": preset, "name": name, "strategy": strategies[0]}
    changes |= _common({key: value for key, value in options.items() if key not in parameters})
    if changes["strategy"] not in strategies:
        raise ImproperlyConfigured(
            f"The strategy {str(changes['strategy'])!r} is not one that it has: use "
            f"{' or '.join(strategies)}."
        )
    changes["strategy"] = Strategy(changes["strategy"])
    if "iss" in changes:  # Of another cloud, say: that one's document counts.
        changes["discovery_url"] = ""
    # The document of the vendor does not know of a proxy or a private link.
    changes["other_urls"] = (*derived.other_urls, derived.jwks_url, derived.introspection_url)
    return replace(derived, **changes)


# Where tokens are not for the RFC 8707 identifier of the resource server unless somebody says so.
OWN_AUDIENCE = ("keycloak", "entra")


def _common(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of every preset as fields of `IssuerSettings`."""
    common = {key: value for key, value in options.items() if key in COMMON and value != ""}
    for name in LISTS:
        if name in common:
            common[name] = as_list(common[name])
    if "aud_may_be_missing" in common:
        common["aud_may_be_missing"] = _boolean(common["aud_may_be_missing"])
    if "scopes" in common:
        common["scopes"] = tuple(_rules(common["scopes"]))
    if "caching_seconds" in common:
        common["caching_seconds"] = _seconds(common["caching_seconds"])
    return common


def _rules(scopes: Any) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    """Yield (claim, value, scopes) of ``"groups:admins" = ["orders:read"]``.

    The claim ends at the first colon. One that has a colon in its name is a table of its own, from
    values to scopes.
    """
    if not isinstance(scopes, Mapping):
        raise ImproperlyConfigured("`scopes` is not a table of claims and the scopes they grant.")
    for key, granted in scopes.items():
        if not isinstance(key, str):
            raise ImproperlyConfigured(f"{key!r} in `scopes` is not a string.")
        if isinstance(granted, Mapping):
            for value, inner in granted.items():
                yield key, value, _granted(key, inner)
            continue
        claim, colon, value = key.partition(":")
        if not (claim and colon and value):
            raise ImproperlyConfigured(f"{key!r} in `scopes` is not a claim, a colon and a value.")
        yield claim, value, _granted(key, granted)


def _granted(key: str, scopes: Any) -> tuple[str, ...]:
    if not is_list(scopes):
        raise ImproperlyConfigured(f"What {key!r} in `scopes` grants is not a list of strings.")
    return as_list(scopes)


def _seconds(value: Any) -> float:
    try:
        seconds = -1 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = -1
    if not 0 <= seconds <= MAX_CACHING_SECONDS:
        raise ImproperlyConfigured(
            f"caching_seconds is {value!r}, not a number from 0 to {MAX_CACHING_SECONDS}."
        )
    return seconds


def _boolean(value: Any) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise ImproperlyConfigured(f"aud_may_be_missing is {value!r}, not true or false.")
    return str(value).lower() == "true"


def _checked(issuer: IssuerSettings) -> IssuerSettings:
    """Return `issuer` if it can work and is safe."""
    if not 0 < len(issuer.iss) <= MAX_ISS_LENGTH:
        raise ImproperlyConfigured(f"`iss` is empty or longer than {MAX_ISS_LENGTH} characters.")
    if not issuer.algorithms or not ALGORITHMS.issuperset(issuer.algorithms):
        raise ImproperlyConfigured(
            f"{_shown(issuer.algorithms)} is no list of {_shown(ALGORITHMS)}."
        )
    if issuer.strategy.verifies:
        _check_url("jwks_url", issuer.jwks_url)
    if issuer.strategy.asks:
        _check_url("introspection_url", issuer.introspection_url)
        _check_credentials(issuer)
    if issuer.strategy.verifies and issuer.aud_may_be_missing and not issuer.client_ids:
        raise ImproperlyConfigured(
            "With `aud_may_be_missing` set `client_ids`, or tokens for others would be accepted."
        )
    if not issuer.audiences and not issuer.client_ids:
        raise ImproperlyConfigured(
            "Set `audience` or `client_ids`, or tokens for others would be accepted."
        )
    return issuer


def _check_url(name: str, url: str) -> None:
    if not is_safe(url):
        shown = url.rpartition("@")[2]  # There may be a password before it.
        raise ImproperlyConfigured(
            f"{name} is {shown!r}, not an https URL (http only for hosts of a private network)."
        )


def _check_credentials(issuer: IssuerSettings) -> None:
    if issuer.strategy is Strategy.TOKENINFO:
        return
    if bool(issuer.credentials) == bool(issuer.bearer_token):
        raise ImproperlyConfigured(
            f"The strategy {str(issuer.strategy)!r} needs `client_id` and `client_secret` to ask "
            "with."
        )


def _shown(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, names)))
