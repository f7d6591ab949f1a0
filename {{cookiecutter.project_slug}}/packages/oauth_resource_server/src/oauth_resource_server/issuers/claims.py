"""What the claims of a token come to: one `AccessToken`, whatever its issuer calls things.

Pure: the claims of a JWT and the members of an introspection answer go the same way.
"""

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
# The first that is there counts. RFC 7662 and 9068; Okta; Auth0, Keycloak and Entra 2; Entra 1.
CLIENT_ID = ("client_id", "cid", "azp", "appid")
USERNAME = ("username", "preferred_username", "upn", "unique_name", "email", "name")
SCOPE = ("scope", "scp")  # With spaces between the words (RFC 6749 section 3.3).
# What a rule may call a claim that has another name somewhere: Okta and Entra; Cognito.
ALIASES = {"scope": "scp", "groups": "cognito:groups"}

V = TypeVar("V", str, tuple[str, ...])


@lru_cache(maxsize=4096)
def _one(value: V) -> V:
    """Return the first object of this value: most tokens have the scope and client of others.

    It makes a token that is remembered half as large.
    """
    return value


def access_token(claims: Mapping[str, Any], issuer: IssuerSettings, iss: str) -> AccessToken:
    """Return the token that `claims` describe.

    Args:
        claims: As they came.
        issuer: Whose they are.
        iss: The issuer identifier to keep.

    Returns:
        The token. Its `sub` is empty where nobody is named: `acceptance.objection` refuses that.

    Raises:
        ValueError: One is of the wrong type; says which.
    """
    client_id, username = _first(claims, CLIENT_ID), _first(claims, USERNAME)
    sub = text(claims, "sub")
    if not sub and not username and _may_be_of_its_client(claims, issuer):
        sub = client_id
    fields: dict[str, Any] = {
        "sub": client_id if sub == client_id else sub,  # One string for a machine, not two.
        "client_id": _one(client_id),
        "scope": _one(scope_of(claims, issuer)),
        "exp": timestamp(claims, "exp"),
        "iat": timestamp(claims, "iat"),
        "iss": _one(iss),
        "aud": _one(_audiences(claims)),
        "username": username or None,
        "token_type": _one(text(claims, "token_type") or "Bearer"),
        "machine": issuer.is_machine(claims) if issuer.is_machine else None,
    }
    return AccessToken(**fields, rest=_rest(claims, fields))


def _may_be_of_its_client(claims: Mapping[str, Any], issuer: IssuerSettings) -> bool:
    """Return whether a token without `sub` and without a name may be one of client credentials.

    The client stands for nobody else: all people who use it would be one, and the one of its rows.
    An answer may leave out `sub` (RFC 7662 section 2.2), a JWT may not (RFC 9068 section 2.2).
    """
    return not issuer.strategy.verifies and (issuer.is_machine is None or issuer.is_machine(claims))


def scope_of(claims: Mapping[str, Any], issuer: IssuerSettings) -> str:
    """Return the scopes of a token, with spaces between them: those that the rules grant."""
    if not issuer.scopes:
        value = claims.get("scope")
        if isinstance(value, str) and not NO_CHARACTER.search(value):
            return value
        return " ".join(_words(claims, "scope"))
    granted = {
        scope: None
        for claim, value, scopes in issuer.scopes
        if value in _words(claims, claim)
        for scope in scopes
    }
    return " ".join(granted)


def text(claims: Mapping[str, Any], name: str) -> str:
    """Return a string; an empty one where there is none."""
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is not a string")
    if NO_CHARACTER.search(value):
        # JSON can hold NUL and half a surrogate pair. A database cannot.
        raise ValueError(f"`{name}` holds a character that is none")
    return value


def timestamp(claims: Mapping[str, Any], name: str) -> int | None:
    """Return Unix seconds. Some servers write them as strings of digits, or with a fraction.

    The fraction is cut off (RFC 7519 section 2 allows one): a token never lives longer for it.
    """
    value = claims.get(name)
    if value is None:
        return None
    is_in_digits = isinstance(value, str) and DIGITS.fullmatch(value)
    # Python's JSON has NaN and infinity.
    if is_in_digits or (type(value) is float and isfinite(value)):
        value = int(value)
    # A bool is an int to Python; milliseconds would be a date after the year 9999.
    if type(value) is not int or not 0 <= value <= MAX_TIMESTAMP:
        raise ValueError(f"`{name}` is not a number of Unix seconds")
    return value


def find(claims: Any, path: str) -> Any:
    """Return the claim at `path`, where a dot may lead into an object; None if there is none."""
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
    return next(filter(None, (text(claims, name) for name in names)), "")


def _words(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the strings of a claim: of a list, or the one; of a scope, those between spaces."""
    return tuple(_strings(claims, name))


def _strings(claims: Mapping[str, Any], name: str) -> Iterator[str]:
    for path in filter(None, (name, ALIASES.get(name))):
        value = find(claims, path)
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        for one in values:
            if not isinstance(one, str):
                raise ValueError(f"`{path}` is not a string or a list of strings")
            if NO_CHARACTER.search(one):
                raise ValueError(f"`{path}` holds a character that is none")
            yield from one.split() if path in SCOPE else [one]


def _audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    value = claims.get("aud")
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise ValueError("`aud` is not a string or a list of strings")
    return tuple(values)


def _rest(claims: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Return what `fields` do not say by the same name and value, as JSON; mostly nothing."""
    told = {name: fields[name] for name in CLAIMS if name not in ("exp", "iat")}
    rest = {
        name: value
        for name, value in claims.items()
        if name not in ("active", "aud", "exp", "iat")
        and not (name in told and (value or None) == (told[name] or None))
    }
    try:
        return json.dumps(rest, separators=(",", ":")) if rest else ""
    except RecursionError:  # It could just be read.
        raise ValueError("it is nested too deeply") from None
