"""What there is to know about one issuer: where it is asked, and which of its tokens are good here.

A preset derives it from the few values that the console of a vendor shows; nothing here knows a
vendor. It imports nobody.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

# Asymmetric ones only: with HMAC, whoever can check a token can make one (RFC 8725 section 3.1).
ALGORITHMS = frozenset(
    "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split()  # noqa: SIM905
)
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")
# What a JWT calls itself where its vendor sets nothing better, or nothing at all.
ANY_TYPE = ("", "jwt", "at+jwt", "application/at+jwt")
RFC9068_TYPE = ("at+jwt", "application/at+jwt")


Strings = str | list[str] | tuple[str, ...]  # Of a string, the parts between commas.


class Strategy(StrEnum):
    """How it is found out whether a token is good."""

    INTROSPECTION = "introspection"
    JWT = "jwt"
    JWT_AND_INTROSPECTION = "jwt+introspection"
    TOKENINFO = "tokeninfo"  # Google's endpoint, which is not RFC 7662.

    @property
    def verifies(self) -> bool:
        """Whether the signature is checked here, with the keys of the issuer."""
        return self in (Strategy.JWT, Strategy.JWT_AND_INTROSPECTION)

    @property
    def asks(self) -> bool:
        """Whether the issuer is asked about the token."""
        return self is not Strategy.JWT


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """One issuer, and the rules for its tokens.

    Attributes:
        iss: The issuer identifier, compared character by character. ``{tenantid}`` in it stands for
            the GUID in the claim ``tid`` (Entra).
        other_iss: Further spellings in tokens of the same issuer; `iss` takes their place.
        preset: The name of the preset that it came from.
        name: What logs, metrics, health and the doctor call it.
        strategy: How its tokens are judged.
        audiences: One of them must stand in ``aud``. None: any token passes.
        aud_may_be_missing: Whether a token without ``aud`` passes (Cognito), and then no other one
            than that for `audiences`.
        client_ids: The clients whose tokens are accepted. None: all.
        introspection_url: The endpoint of RFC 7662, or tokeninfo.
        credentials: Client id and secret of this resource server there.
        bearer_token: An access token to authenticate with in place of the credentials.
        token_type_hint: RFC 7662 section 2.1.
        iss_may_be_missing: Whether an introspection answer without ``iss`` is of this issuer.
        jwks_url: Where its keys are: a JWK Set (RFC 7517), or certificates by key id (Google).
        discovery_url: Where its discovery document is, for the doctor; "": where `iss` leads.
        other_urls: What that document may name in place of `jwks_url` and `introspection_url`.
        algorithms: The JWS algorithms of its tokens.
        types: Values of the header ``typ``, in lower case; ``""`` for a token without one.
        claims: Claims that a JWT must have, with the values of each; none: any but an empty one.
        answer: Members that an introspection answer may lack, with the values of each.
        is_access_token: Whether what an ID token looks like is refused (``at_hash``, ``c_hash``).
        is_machine: Says of the claims whether no person stands behind the token; None where `sub`
            and `client_id` tell.
        scopes: What a claim grants, as (claim, value, scopes). None: ``scope`` as it stands.
        caching_seconds: How long a token is remembered; None: as the settings say.
    """

    iss: str
    other_iss: tuple[str, ...] = ()
    preset: str = ""
    name: str = ""
    strategy: Strategy = Strategy.INTROSPECTION
    audiences: tuple[str, ...] = ()
    aud_may_be_missing: bool = False
    client_ids: tuple[str, ...] = ()
    introspection_url: str = ""
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    bearer_token: str | None = field(default=None, repr=False)
    token_type_hint: str = "access_token"  # noqa: S105
    iss_may_be_missing: bool = True
    jwks_url: str = ""
    # No judgement depends on them.
    discovery_url: str = field(default="", repr=False)
    other_urls: tuple[str, ...] = field(default=(), repr=False)
    algorithms: tuple[str, ...] = ("RS256",)
    types: tuple[str, ...] = ANY_TYPE
    claims: tuple[tuple[str, tuple[str, ...]], ...] = ()
    answer: tuple[tuple[str, tuple[str, ...]], ...] = ()
    is_access_token: bool = True
    is_machine: Callable[[Mapping[str, Any]], bool] | None = field(default=None, repr=False)
    scopes: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    caching_seconds: float | None = None


def is_list(value: Any) -> bool:
    """Return whether `value` is what `as_list` takes."""
    if isinstance(value, list | tuple):
        return all(isinstance(part, str) for part in value)
    return isinstance(value, str)


def as_list(value: Any) -> tuple[str, ...]:
    """Return the strings of a list, or of a string with commas between them."""
    if not is_list(value):
        raise ImproperlyConfigured(f"{value!r} is not a list of strings.")
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip())


def https(host: str) -> str:
    """Return the address of a host as a console shows it, with or without ``https://``."""
    name = host.removeprefix("https://").rstrip("/")
    if not HOST.fullmatch(name):
        raise ImproperlyConfigured(f"{host!r} is not the name of a host, such as acme.example.com.")
    return f"https://{name}"


def credentials_of(client_id: str, client_secret: str) -> tuple[str, str] | None:
    """Return client id and secret, as far as both are there."""
    return (client_id, client_secret) if client_id and client_secret else None


def is_safe(url: str) -> bool:
    """Return whether nobody on the way can read or change what goes to an absolute URL and back.

    That is https, or http to a host that only a private network knows.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    if parts.username or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_inside(host))


def is_inside(host: str) -> bool:
    """Return whether a host is on this machine, or one that only a private network knows."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host
