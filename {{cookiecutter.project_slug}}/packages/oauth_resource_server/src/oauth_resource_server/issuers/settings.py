"""`IssuerSettings`: the endpoints of one issuer and the rules for its tokens.

Presets make it, `options.read_issuers` reads it; nothing in this module knows a vendor.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

# Asymmetric algorithms only: with HMAC, the holder of the key that verifies a token can forge one
# (RFC 8725 section 3.1).
ALGORITHMS = frozenset(
    "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split()  # noqa: SIM905
)
Strings = tuple[str, ...]  # The annotation of an option: a list, or a string with commas.
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The header `typ` of vendors that set none, or the general one.
ANY_TYPE = ("", "jwt", "at+jwt", "application/at+jwt")
RFC9068_TYPE = ("at+jwt", "application/at+jwt")


class Strategy(StrEnum):
    """How the tokens of an issuer are validated."""

    INTROSPECTION = "introspection"
    JWT = "jwt"
    JWT_AND_INTROSPECTION = "jwt+introspection"
    TOKENINFO = "tokeninfo"  # Google's endpoint, which is not RFC 7662.

    @property
    def verifies(self) -> bool:
        return self in (Strategy.JWT, Strategy.JWT_AND_INTROSPECTION)

    @property
    def asks(self) -> bool:
        return self is not Strategy.JWT


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    # Compared character by character. `{tenantid}` stands for the GUID in the claim `tid` (Entra).
    iss: str
    other_iss: tuple[str, ...] = ()  # Other spellings in tokens, which are replaced by `iss`.
    preset: str = ""
    name: str = ""  # In logs, metrics, health checks and the doctor.
    strategy: Strategy = Strategy.INTROSPECTION
    audiences: tuple[str, ...] = ()  # `aud` must contain one of them. Empty: it is not checked.
    aud_may_be_missing: bool = False  # Cognito. An `aud` must still match `audiences`.
    client_ids: tuple[str, ...] = ()  # Whose tokens are accepted. Empty: all.
    introspection_url: str = ""  # Or tokeninfo.
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    secret_file: str = field(default="", repr=False)  # Has the secret of today, if not empty.
    bearer_token: str | None = field(default=None, repr=False)  # Instead of the credentials.
    token_type_hint: str = "access_token"  # noqa: S105
    iss_may_be_missing: bool = True  # In an introspection response.
    jwks_url: str = ""  # A JWK Set, or certificates by key id (Google).
    # `repr` is part of cache keys. These two are for the doctor and change no validation: where the
    # discovery document is, unless `iss` says so, and which other URLs it may name.
    discovery_url: str = field(default="", repr=False)
    other_urls: tuple[str, ...] = field(default=(), repr=False)
    algorithms: tuple[str, ...] = ("RS256",)
    types: tuple[str, ...] = ANY_TYPE  # Of the header `typ`, in lower case; "" for none.
    # Claims that a JWT must have, with the accepted values; no values: any but an empty one.
    claims: tuple[tuple[str, tuple[str, ...]], ...] = ()
    # Members of an introspection response that must have one of these values if present.
    answer: tuple[tuple[str, tuple[str, ...]], ...] = ()
    is_access_token: bool = True  # Refuse a JWT with `at_hash` or `c_hash`: an ID token.
    # Whether claims are those of a client credentials token. None: by `sub` and client id.
    is_machine: Callable[[Mapping[str, Any]], bool] | None = field(default=None, repr=False)
    # Scopes that a claim grants: claim, value, scopes. Empty: the claim `scope` is used.
    scopes: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    caching_seconds: float | None = None  # None: as in the setting of the library.

    @property
    def client_id(self) -> str:
        """The client id of this resource server; empty without credentials."""
        return self.credentials[0] if self.credentials else ""


def is_safe(url: str) -> bool:
    """Return whether `url` is https, or http to a host of a private network."""
    parts = parts_of(url)
    if parts.username or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_private(parts.hostname))


def parts_of(url: str) -> SplitResult:
    """Return the parts of `url`; all of them empty if it is malformed."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # Raises for a port above 65535.
    except ValueError:
        return urlsplit("")
    return parts


def is_private(host: str) -> bool:
    """Return whether `host` is a private address, or a name without a dot."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host


def credentials_of(client_id: str, client_secret: str) -> tuple[str, str] | None:
    return (client_id, client_secret) if client_id and client_secret else None
