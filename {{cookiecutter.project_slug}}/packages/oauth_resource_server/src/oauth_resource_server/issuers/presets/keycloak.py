"""Keycloak."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from oauth_resource_server.issuers.settings import (
    IssuerSettings,
    Strings,
    as_list,
    credentials_of,
)

PCHAR = "!$&'()*+,;=:@"  # Stand in a path as they are (RFC 3986 section 3.3).


def keycloak(
    *, url: str, realm: str, audience: Strings = "", client_id: str = "", client_secret: str = ""
) -> IssuerSettings:
    """Derive the issuer from a realm of Keycloak.

    The claim ``typ`` tells an access token (``Bearer``) from ``ID`` and ``Refresh``. Since 26.6.2
    the client that introspects must stand in ``aud``, and no client does by default: its tokens
    need an audience mapper. Roles are in ``realm_access.roles`` and
    ``resource_access.<client>.roles``.

    Documents: "Server Administration Guide", "Audience support"; "Securing applications",
    "Token introspection endpoint".

    Args:
        url: The address of the server, with a path if it has one: ``https://id.example.com``.
        realm: The name of the realm as the console shows it: spaces are encoded here.
        audience: What must stand in ``aud``; `client_id` where it is not given.
        client_id: The confidential client of this API, to introspect with.
        client_secret: Its secret.
    """
    iss = f"{url.rstrip('/')}/realms/{quote(realm, safe=PCHAR)}"
    return IssuerSettings(
        iss=iss,
        audiences=as_list(audience or client_id),
        introspection_url=f"{iss}/protocol/openid-connect/token/introspect",
        credentials=credentials_of(client_id, client_secret),
        iss_may_be_missing=False,
        jwks_url=f"{iss}/protocol/openid-connect/certs",
        claims=(("typ", ("Bearer",)),),
        answer=(("typ", ("Bearer",)),),
        is_machine=_is_machine,
    )


def _is_machine(claims: Mapping[str, Any]) -> bool:
    name = claims.get("preferred_username") or claims.get("username") or ""
    client_id = str(claims.get("client_id") or claims.get("azp") or "")
    return bool(name == f"service-account-{client_id.lower()}")
