"""Verify a JWT (RFC 7519) as RFC 8725 has it. Pure: the keys and the time are arguments.

jwcrypto checks the signature; what is written here decides with which key and algorithm, and what
the claims must be.
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
from oauth_resource_server.issuers.acceptance import mismatch
from oauth_resource_server.issuers.claims import timestamp
from oauth_resource_server.issuers.settings import IssuerSettings

MAX_HEADER_LENGTH = 2048  # characters
# Between the clocks of the issuer and of this machine, in seconds. It is for `nbf` and `iat` only:
# `exp` is taken at its word, for nothing that is remembered may live longer.
LEEWAY = 30
COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")


class TokenRefused(Exception):
    """The token is no good; says why, in words that hold no claim of a stranger."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a JWT says of itself, before anybody has looked at its signature."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def iss(self) -> str:
        """The issuer that it names; empty when it names none."""
        iss = self.claims.get("iss")
        return iss if isinstance(iss, str) else ""

    @property
    def kid(self) -> str | None:
        """The key that it names."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None


def parse(token: str) -> Unverified | None:
    """Return header and claims of a JWT in compact form; None if `token` is none.

    Raises:
        TokenRefused: It may be one, and is too large to be read: nobody can say whose it is.
    """
    parts = COMPACT.fullmatch(token)
    if parts is None:
        return None
    if len(parts[1]) > MAX_HEADER_LENGTH:
        raise TokenRefused("its header is too long")
    header, claims = (_decoded(parts[number]) for number in (1, 2))
    if header is None or claims is None or "alg" not in header:
        return None
    return Unverified(header, claims)


def _decoded(part: str) -> dict[str, Any] | None:
    try:
        text = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return None
    if is_nested_too_deeply(text):
        raise TokenRefused("it may be nested too deeply")
    return json_object(text)


def checked_algorithm(header: Mapping[str, Any], issuer: IssuerSettings) -> str:
    """Return the algorithm of a header that is good.

    Raises:
        TokenRefused: It is another, or there is something that must not be there.
    """
    algorithm = header.get("alg")
    if algorithm not in issuer.algorithms:
        raise TokenRefused(f"its algorithm is none of {', '.join(issuer.algorithms)}")
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.lower() not in issuer.types:
        raise TokenRefused("its `typ` is not the one of an access token")
    # Nothing that it calls critical is understood here (RFC 7515 section 4.1.11), and `b64` changes
    # what is signed. `jku`, `jwk`, `x5u` and `x5c` are not looked at: keys come from the issuer.
    if "crit" in header or "b64" in header:
        raise TokenRefused("its header asks for what is not supported")
    if not isinstance(header.get("kid"), str | None):
        raise TokenRefused("its `kid` is not a string")
    return str(algorithm)


def check_signature(token: str, keys: Iterable[JWK], algorithm: str) -> None:
    """Check that one of `keys` has signed `token`.

    Raises:
        TokenRefused: None of them has.
    """
    for key in keys:
        jws = JWS()
        jws.allowed_algs = [algorithm]
        try:
            jws.deserialize(token, key, algorithm)
        except (JWException, ValueError):
            continue
        return
    raise TokenRefused("none of the keys that its header allows has signed it")


def check_claims(claims: Mapping[str, Any], issuer: IssuerSettings, now: float) -> None:
    """Check the times of a token that is genuine, and that it is an access token.

    Raises:
        TokenRefused: It is not good now, or no access token.
        ValueError: A time is none.
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
    if reason := mismatch(claims, issuer):
        raise TokenRefused(reason)
