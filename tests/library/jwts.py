"""Signs the JWTs of the tests, with keys that are made once."""

import json
import time
from functools import cache

from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

ISS = "https://id.example.com"
AUD = "https://orders.example.com"


def key(kid="one", kind="RSA"):
    """Return a private key, the same for the same arguments."""
    return _key(kid, kind)


@cache
def _key(kid, kind):
    if kind == "RSA":
        return JWK.generate(kty="RSA", size=2048, kid=kid, use="sig", alg="RS256")
    return JWK.generate(kty="EC", crv="P-256", kid=kid, use="sig", alg="ES256")


def key_set(*keys):
    """Return the JWK Set of the public keys."""
    return {"keys": [one.export_public(as_dict=True) for one in keys]}


def claims(**changes):
    """Return the claims of a good access token; `...` removes one."""
    now = int(time.time())
    good = {
        "iss": ISS,
        "aud": AUD,
        "sub": "alice-uuid",
        "client_id": "shop",
        "scope": "orders:read",
        "exp": now + 600,
        "iat": now,
        "jti": "1",
    } | changes
    return {name: value for name, value in good.items() if value is not ...}


def jwt(signer=None, header=(), **changes):
    """Return a signed token; `changes` are claims, `header` more members of the header."""
    signer = signer or key()
    members = {"alg": signer["alg"], "kid": signer["kid"], "typ": "at+jwt"} | dict(header)
    members = {name: value for name, value in members.items() if value is not ...}
    return signed(json.dumps(claims(**changes)), members, signer)


def signed(payload, header, signer):
    """Return any payload under any header."""
    jws = JWS(payload.encode())
    jws.add_signature(signer, header["alg"], json.dumps(header))
    return jws.serialize(compact=True)
