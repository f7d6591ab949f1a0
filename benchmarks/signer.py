"""Print a JWT and the key set that verifies it as JSON, for the issuer of B10.

Runs in the environment of the project, which has jwcrypto. Arguments: issuer, audience.
"""

import json
import sys
import time

from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

ISSUER, AUDIENCE = sys.argv[1:]
HEADER = {"alg": "RS256", "kid": "bench", "typ": "at+jwt"}


def main():
    """Create the key, sign the token and print both."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "demo-machine",
        "client_id": "demo-machine",
        "scope": "orders:read orders:write",
        "iat": now,
        "exp": now + 3600,
        "jti": "bench",
    }
    key = JWK.generate(kty="RSA", size=2048, kid="bench", use="sig", alg="RS256")
    token = JWS(json.dumps(claims).encode())
    token.add_signature(key, "RS256", json.dumps(HEADER))
    keys = {"keys": [key.export_public(as_dict=True)]}
    print(json.dumps({"token": token.serialize(compact=True), "keys": keys}))


if __name__ == "__main__":
    main()
