"""Okta."""

from collections.abc import Mapping
from typing import Any

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.presets.base import Strings, credentials_of, https
from oauth_resource_server.issuers.settings import IssuerSettings


def okta(
    conf: Conf,
    *,
    domain: str,
    authorization_server_id: str = "default",
    audience: Strings = (),
    client_id: str = "",
    client_secret: str = "",
) -> IssuerSettings:
    """Return the issuer of a custom authorization server of Okta.

    A JWT has the client in ``cid`` and the scopes in ``scp`` (a list), an introspection response in
    ``client_id`` and ``scope``. Only access tokens have ``cid``, and only those of people ``uid``.
    Tokens of the org authorization server are for Okta's own APIs and not supported.

    Documents: "Validate access tokens" and "Introspection" of developer.okta.com.
    """
    iss = f"{https(domain)}/oauth2/{authorization_server_id}"
    return IssuerSettings(
        iss=iss,
        audiences=audience or conf.audiences,
        introspection_url=f"{iss}/v1/introspect",
        credentials=credentials_of(client_id, client_secret),
        jwks_url=f"{iss}/v1/keys",
        claims=(("cid", ()),),
        is_machine=_is_machine,
    )


def _is_machine(claims: Mapping[str, Any]) -> bool:
    client_id = claims.get("cid") or claims.get("client_id")
    return "uid" not in claims and claims.get("sub") == client_id
