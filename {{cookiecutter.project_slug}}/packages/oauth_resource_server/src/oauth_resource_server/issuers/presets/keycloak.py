"""Keycloak."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.settings import IssuerSettings, Strings, credentials_of

PCHAR = "!$&'()*+,;=:@"  # Not encoded in a path (RFC 3986 section 3.3).
BEARER = (("typ", ("Bearer",)),)


def keycloak(
    _: Conf,
    *,
    url: str,
    realm: str,
    audience: Strings = (),
    client_id: str = "",
    client_secret: str = "",
) -> IssuerSettings:
    """Return the issuer of a realm of Keycloak.

    The claim ``typ`` distinguishes an access token from ID and refresh tokens. Since 26.6.2 the
    client that introspects must be in ``aud``. `realm` is the name in the console, not encoded.
    """
    iss = f"{url.rstrip('/')}/realms/{quote(realm, safe=PCHAR)}"
    return IssuerSettings(
        iss=iss,
        audiences=audience or ((client_id,) if client_id else ()),
        introspection_url=f"{iss}/protocol/openid-connect/token/introspect",
        credentials=credentials_of(client_id, client_secret),
        iss_may_be_missing=False,
        jwks_url=f"{iss}/protocol/openid-connect/certs",
        claims=BEARER,
        answer=BEARER,
        is_machine=_is_machine,
    )


def _is_machine(claims: Mapping[str, Any]) -> bool:
    name = claims.get("preferred_username") or claims.get("username") or ""
    client_id = str(claims.get("client_id") or claims.get("azp") or "")
    return bool(name == f"service-account-{client_id.lower()}")
