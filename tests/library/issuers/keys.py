"""Keys that are made for the tests, and JWTs that are put together by hand (RFC 7515 section 7.1).

No library for JWTs is used: it would refuse to make the tokens that must be refused.
"""

import datetime
import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def b64(value):
    """Return bytes, or the JSON of anything else, in base64url without padding."""
    octets = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def number(value):
    """Return an integer as in a JWK (RFC 7518 section 2)."""
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass
class RSAKey:
    """A key for RS256 (RFC 7518 section 3.3)."""

    kid: str = "key-1"
    bits: int = 2048
    private: Any = field(init=False, repr=False)

    def __post_init__(self):
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=self.bits)

    def signature(self, signed):
        return self.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())

    @cached_property
    def jwk(self):
        """Its public half as a JSON Web Key."""
        numbers = self.private.public_key().public_numbers()
        members = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid}
        return members | {"n": number(numbers.n), "e": number(numbers.e)}

    @cached_property
    def pem(self):
        """The public key as bytes, which a key confusion attack uses as an HMAC secret."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @cached_property
    def certificate(self):
        """Its public half in a certificate (PEM), as Google publishes it."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "securetoken.example.com")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=16))
            .sign(self.private, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()


class ECKey:
    """A key for ES256 (RFC 7518 section 3.4)."""

    def __init__(self, kid="key-1"):
        self.kid = kid
        self.private = ec.generate_private_key(ec.SECP256R1())

    def signature(self, signed):
        r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    @property
    def jwk(self):
        numbers = self.private.public_key().public_numbers()
        members = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid}
        return members | {"x": number(numbers.x), "y": number(numbers.y)}


class HMACKey:
    """A shared secret for HS256, which no issuer may use."""

    def __init__(self, secret, kid="key-1"):
        self.kid = kid
        self.secret = secret

    def signature(self, signed):
        return hmac.new(self.secret, signed, hashlib.sha256).digest()


def jwt(claims, key, **header):
    """Return a JWT.

    Args:
        claims: The payload: a dict, or bytes as they are.
        key: What signs it; None for no signature at all.
        header: Members of the header over ``alg`` and ``kid``; None leaves one out.
    """
    members = {"alg": "RS256", "kid": getattr(key, "kid", "key-1")} | header
    members = {name: value for name, value in members.items() if value is not None}
    signed = f"{b64(members)}.{b64(claims)}"
    return f"{signed}.{b64(key.signature(signed.encode())) if key else ''}"
