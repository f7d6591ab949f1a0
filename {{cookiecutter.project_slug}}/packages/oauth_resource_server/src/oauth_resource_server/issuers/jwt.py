"""Verify a JWT (RFC 7519) by the rules of RFC 8725. Pure: keys and time are arguments.

jwcrypto verifies the signature. This module decides which keys and algorithms are allowed, and
what the header and the claims must be. Its functions raise `TokenRefused`.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jwcrypto.common import JWException
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from oauth_resource_server.http.client import is_nested_too_deeply, json_object
from oauth_resource_server.issuers.claims import timestamp
from oauth_resource_server.issuers.environment import variable_of
from oauth_resource_server.issuers.settings import IssuerSettings
from oauth_resource_server.issuers.token_checks import wrong_claim

MAX_HEADER_LENGTH = 2048  # characters
# Tolerated clock skew in seconds, for `nbf` and `iat`. `exp` has none: no cached token outlives it.
LEEWAY = 30
COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")


class TokenRefused(Exception):
    """The token is invalid. The message is for the log."""


@dataclass(frozen=True, slots=True)
class UnverifiedJWT:
    """Header and claims of a JWT whose signature has not been verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def iss(self) -> str:
        iss = self.claims.get("iss")
        return iss if isinstance(iss, str) else ""


def parse(token: str) -> UnverifiedJWT | None:
    """Parse a JWT in compact serialization; return None for an opaque token."""
    parts = COMPACT.fullmatch(token)
    if parts is None:
        return None
    if len(parts[1]) > MAX_HEADER_LENGTH:
        raise TokenRefused("its header is too long")
    header, claims = (_decoded(parts[number]) for number in (1, 2))
    if header is None or claims is None or "alg" not in header:
        return None
    return UnverifiedJWT(header, claims)


def _decoded(part: str) -> dict[str, Any] | None:
    try:
        text = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return None
    if is_nested_too_deeply(text):
        raise TokenRefused("it is nested too deeply")
    return json_object(text)


def checked_algorithm(header: Mapping[str, Any], issuer: IssuerSettings) -> str:
    algorithm = header.get("alg")
    if algorithm not in issuer.algorithms:
        raise TokenRefused(f"its algorithm is not one of {', '.join(issuer.algorithms)}")
    # No critical extension is supported (RFC 7515 section 4.1.11), and `b64` changes the signed
    # bytes. `jku`, `jwk`, `x5u` and `x5c` are ignored: keys come from the issuer only.
    if "crit" in header or "b64" in header:
        raise TokenRefused("its header needs an extension that is not supported")
    if not isinstance(header.get("kid"), str | None):
        raise TokenRefused("its `kid` is not a string")
    return str(algorithm)


def check_type(header: Mapping[str, Any], issuer: IssuerSettings) -> None:
    """Check `typ` of an authentic token: an ID token is no access token (RFC 8725 3.11)."""
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.lower() not in issuer.types:
        expected = " or ".join(filter(None, issuer.types))
        option = f"the option `types`, or {variable_of(issuer.preset, 'types')} in .env"
        raise TokenRefused(f"its `typ` is {kind!r}, expected {expected} ({option})")


def check_signature(token: str, keys: Iterable[JWK], algorithm: str) -> None:
    for key in keys:
        jws = JWS()
        jws.allowed_algs = [algorithm]
        try:
            jws.deserialize(token, key, algorithm)
        except (JWException, ValueError):
            continue
        return
    raise TokenRefused("its signature does not verify with the keys that its header allows")


def check_claims(claims: Mapping[str, Any], issuer: IssuerSettings, now: float) -> None:
    """Check the times of an authentic token, and that it is an access token.

    A time that is not a number of Unix seconds is a `ValueError`.
    """
    expires = timestamp(claims, "exp")
    if expires is None:
        raise TokenRefused("it has no `exp`")
    if expires <= now:
        raise TokenRefused("it has expired")
    for name in ("nbf", "iat"):
        begins = timestamp(claims, name)
        if begins is not None and begins > now + LEEWAY:
            raise TokenRefused(f"its `{name}` is in the future")
    if reason := wrong_claim(claims, issuer):
        raise TokenRefused(reason)
