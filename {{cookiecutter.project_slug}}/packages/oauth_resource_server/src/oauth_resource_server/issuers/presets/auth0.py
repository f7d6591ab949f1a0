"""Auth0."""

from collections.abc import Mapping
from typing import Any

from oauth_resource_server.issuers.settings import IssuerSettings, Strings, as_list, https


def auth0(*, domain: str, audience: Strings = "") -> IssuerSettings:
    """Derive the issuer from a tenant of Auth0.

    Its ``iss`` ends in a slash. Both access token profiles pass: Auth0's own (``typ: JWT``, the
    client in ``azp``) and RFC 9068 (``typ: at+jwt``, ``client_id``). An ID token is for a client,
    not for the identifier of an API, so ``aud`` refuses it. Auth0 has no introspection: a token
    that was revoked is good until ``exp``.

    Documents: "Access Token Profiles" and "Validate Access Tokens" of auth0.com/docs.

    Args:
        domain: As in the settings of an application: ``acme.eu.auth0.com``.
        audience: The identifier of the API.
    """
    base = https(domain)
    return IssuerSettings(
        iss=f"{base}/",
        audiences=as_list(audience),
        jwks_url=f"{base}/.well-known/jwks.json",
        is_machine=_is_machine,
    )


def _is_machine(claims: Mapping[str, Any]) -> bool:
    return claims.get("gty") == "client-credentials" or str(claims.get("sub")).endswith("@clients")
