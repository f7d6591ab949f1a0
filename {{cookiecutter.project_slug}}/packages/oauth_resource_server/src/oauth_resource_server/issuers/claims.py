"""Map the claims of a JWT or of an introspection response to an `AccessToken`. Pure functions."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, TypeVar

from oauth_resource_server.issuers.settings import IssuerSettings
from oauth_resource_server.tokens import CLAIMS, AccessToken

MAX_TIMESTAMP = 253_402_300_799  # The last second of the year 9999, where datetime ends.
NO_CHARACTER = re.compile("[\0\ud800-\udfff]")
DIGITS = re.compile(r"[0-9]{1,12}")
# The first non-empty claim counts. RFC 7662 and 9068; Okta; Auth0, Keycloak, Entra v2; Entra v1.
CLIENT_ID = ("client_id", "cid", "azp", "appid")
USERNAME = ("username", "preferred_username", "upn", "unique_name", "email", "name")
SCOPE = ("scope", "scp")  # Space-separated (RFC 6749 section 3.3).
# Other names of claims that rules use: Okta and Entra ID; Cognito.
ALIASES = {"scope": "scp", "groups": "cognito:groups"}

V = TypeVar("V", str, tuple[str, ...])


@lru_cache(maxsize=4096)
def _interned(value: V) -> V:
    """Return one object for equal values, which halves the size of a cached token."""
    return value


def token_from_claims(claims: Mapping[str, Any], issuer: IssuerSettings, iss: str) -> AccessToken:
    """Return the access token that the claims of a JWT or of an introspection response describe.

    `iss` is the canonical issuer identifier. A claim of the wrong type is a `ValueError`.
    """
    client_id, username = _first(claims, CLIENT_ID), _first(claims, USERNAME)
    sub, is_machine = text(claims, "sub"), issuer.is_machine(claims) if issuer.is_machine else None
    # Only of a client credentials token the client id is a substitute: otherwise all users of the
    # client would be one. `sub` is optional in a response (RFC 7662 section 2.2), not in a JWT.
    if not sub and not username and not issuer.strategy.verifies and is_machine is not False:
        sub = client_id
    fields: dict[str, Any] = {
        "sub": client_id if sub == client_id else sub,  # One string object instead of two.
        "client_id": _interned(client_id),
        "scope": _interned(scope_of(claims, issuer)),
        "exp": timestamp(claims, "exp"),
        "iat": timestamp(claims, "iat"),
        "iss": _interned(iss),
        "aud": _interned(_audiences(claims)),
        "username": username or None,
        "token_type": _interned(text(claims, "token_type") or "Bearer"),
        "machine": is_machine,
    }
    return AccessToken(**fields, extra_claims_json=_extra_claims(claims, fields))


def scope_of(claims: Mapping[str, Any], issuer: IssuerSettings) -> str:
    """Return the scopes, space-separated: those of the rules, if the issuer has any."""
    if not issuer.scopes:
        value = claims.get("scope")
        if isinstance(value, str) and not NO_CHARACTER.search(value):
            return value
        return " ".join(_words(claims, "scope"))
    granted = dict.fromkeys(
        scope
        for claim, value, scopes in issuer.scopes
        if value in list(_words(claims, claim))  # Each of them is checked.
        for scope in scopes
    )
    return " ".join(granted)


def text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that is a string; empty if it is missing."""
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is not a string")
    return _checked(value, name)


def _checked(value: str, name: str) -> str:
    if NO_CHARACTER.search(value):  # JSON can hold NUL and lone surrogates, a database cannot.
        raise ValueError(f"`{name}` holds an invalid character")
    return value


def timestamp(claims: Mapping[str, Any], name: str) -> int | None:
    """Return a claim in Unix seconds; None if it is missing.

    Some servers send a string of digits. A fraction (RFC 7519 section 2) is cut off, so that it
    never extends the lifetime of a token.
    """
    value = claims.get(name)
    if value is None:
        return None
    is_in_digits = isinstance(value, str) and DIGITS.fullmatch(value)
    # Python's JSON parser accepts NaN and infinity.
    if is_in_digits or (type(value) is float and isfinite(value)):
        value = int(value)
    # In Python a bool is an int. Milliseconds would be a date after the year 9999.
    if type(value) is not int or not 0 <= value <= MAX_TIMESTAMP:
        raise ValueError(f"`{name}` is not a number of Unix seconds")
    return value


def find(claims: Any, path: str) -> Any:
    """Return the claim at a dotted path; None if it is missing. Names may contain dots, too."""
    if not isinstance(claims, Mapping):
        return None
    if path in claims:
        return claims[path]
    for dot in re.finditer(r"\.", path):
        found = find(claims.get(path[: dot.start()]), path[dot.end() :])
        if found is not None:
            return found
    return None


def _first(claims: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        if name in claims and (value := text(claims, name)):
            return value
    return ""


def _words(claims: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the strings of a claim: a list, a single string, or the words of a scope."""
    for path in filter(None, (name, ALIASES.get(name))):
        value = find(claims, path)
        values = value if isinstance(value, list) else [] if value is None else [value]
        for one in values:
            if not isinstance(one, str):
                raise ValueError(f"`{path}` is not a string or a list of strings")
            _checked(one, path)
            yield from one.split() if path in SCOPE else [one]


def _audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    value = claims.get("aud")
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise ValueError("`aud` is not a string or a list of strings")
    return tuple(values)


def _extra_claims(claims: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Return as JSON the claims that `fields` do not hold under the same name; usually empty."""
    held = {name: fields[name] for name in CLAIMS if name not in ("exp", "iat")}
    extra = {
        name: value
        for name, value in claims.items()
        if name not in ("active", "aud", "exp", "iat")
        and not (name in held and (value or None) == (held[name] or None))
    }
    try:
        return json.dumps(extra, separators=(",", ":")) if extra else ""
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
