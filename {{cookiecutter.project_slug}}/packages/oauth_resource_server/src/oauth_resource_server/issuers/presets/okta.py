"""Okta."""

from collections.abc import Mapping
from typing import Any

from oauth_resource_server.issuers.settings import (
    IssuerSettings,
    Strings,
    as_list,
    credentials_of,
    https,
)


def okta(
    *,
    domain: str,
    authorization_server_id: str = "default",
    audience: Strings = "",
    client_id: str = "",
    client_secret: str = "",
) -> IssuerSettings:
    """Derive the issuer from a custom authorization server of Okta.

    Okta calls the client ``cid`` and the scopes ``scp`` (a list) in a JWT, ``client_id`` and
    ``scope`` in an introspection answer. Only an access token has ``cid``, and only one of a person
    ``uid``. Tokens of the org authorization server are for Okta alone to validate; it is not
    supported here.

    Documents: "Validate access tokens" and "Introspection" of developer.okta.com.

    Args:
        domain: As in the console: ``acme.okta.com``.
        authorization_server_id: "API", "Authorization Servers": ``default`` or ``aus...``.
        audience: The one of the authorization server: ``api://default``.
        client_id: Of an API services application, to introspect with.
        client_secret: Its secret.
    """
    iss = f"{https(domain)}/oauth2/{authorization_server_id}"
    return IssuerSettings(
        iss=iss,
        audiences=as_list(audience),
        introspection_url=f"{iss}/v1/introspect",
        credentials=credentials_of(client_id, client_secret),
        jwks_url=f"{iss}/v1/keys",
        claims=(("cid", ()),),
        is_machine=_is_machine,
    )


def _is_machine(claims: Mapping[str, Any]) -> bool:
    client_id = claims.get("cid") or claims.get("client_id")
    return "uid" not in claims and claims.get("sub") == client_id
