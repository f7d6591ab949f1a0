"""Parse a key set: a JWK Set (RFC 7517), or an object of certificates by key id (Google)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jwcrypto.common import JWException
from jwcrypto.jwk import JWK

MAX_KEYS = 100
MIN_RSA_BITS = 2048  # RFC 7518 section 3.3
CERTIFICATE = "-----BEGIN CERTIFICATE-----"
# Key type and curves of an algorithm (RFC 7518 section 3.1, RFC 8037, RFC 9864).
CURVES = {
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
    "Ed25519": ("OKP", ("Ed25519",)),
}
PUBLIC = ("kty", "kid", "n", "e", "crv", "x", "y")


@dataclass(frozen=True, slots=True)
class Key:
    jwk: JWK
    kid: str | None = None
    algorithm: str | None = None  # The only one it may be used with; None for all of its type.
    issuer: str | None = None  # The only one it may be used for (Entra ID); None for all.

    def fits(self, kid: str | None, algorithm: str) -> bool:
        """Return whether it may have signed a token with this header."""
        if kid not in (None, self.kid) or self.algorithm not in (None, algorithm):
            return False
        if algorithm.startswith(("RS", "PS")):
            return bool(self.jwk["kty"] == "RSA")
        kind, curves = CURVES[algorithm]
        return self.jwk["kty"] == kind and self.jwk["crv"] in curves


def keys_of(document: Mapping[str, Any] | None) -> tuple[Key, ...]:
    """Return the keys that can verify signatures; raise `ValueError` if there is none."""
    if not document:
        raise ValueError("it is not a key set")
    members = document.get("keys")
    if isinstance(members, list):
        found = [_key(one) for one in members[:MAX_KEYS] if isinstance(one, dict)]
    elif all(isinstance(one, str) and one.startswith(CERTIFICATE) for one in document.values()):
        found = [_key_of_certificate(*pair) for pair in list(document.items())[:MAX_KEYS]]
    else:
        raise ValueError("it is not a key set")
    keys = tuple(key for key in found if key is not None and _is_strong(key.jwk))
    if not keys:
        raise ValueError("it has no usable key")
    return keys


def _is_strong(jwk: JWK) -> bool:
    return bool(jwk["kty"] != "RSA" or jwk.get_op_key("verify").key_size >= MIN_RSA_BITS)


def _key(members: dict[str, Any]) -> Key | None:
    operations = members.get("key_ops")
    if members.get("use", "sig") != "sig" or members.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        return None
    try:
        # Only the members of a public key. `alg` and `use` are checked here.
        jwk = JWK(**{name: members[name] for name in PUBLIC if name in members})
        jwk.get_op_key("verify", jwk.get("crv"))
    except (JWException, ValueError, TypeError, KeyError):
        return None
    kid, algorithm, issuer = (members.get(name) for name in ("kid", "alg", "issuer"))
    if not isinstance(issuer, str | None):
        return None  # The restriction is unreadable.
    return Key(jwk, kid=kid, algorithm=algorithm, issuer=issuer)


def _key_of_certificate(kid: str, pem: str) -> Key | None:
    try:
        return Key(JWK.from_pem(pem.encode()), kid=kid)
    except (JWException, ValueError, TypeError):
        return None
