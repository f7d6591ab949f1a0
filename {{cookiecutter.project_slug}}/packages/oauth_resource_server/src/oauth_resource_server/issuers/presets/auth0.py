"""Auth0."""

from collections.abc import Mapping
from typing import Any

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.presets.base import Strings, https
from oauth_resource_server.issuers.settings import IssuerSettings


def auth0(conf: Conf, *, domain: str, audience: Strings = ()) -> IssuerSettings:
    """Return the issuer of a tenant of Auth0.

    Its ``iss`` ends in a slash. Both access token profiles are accepted: Auth0's own (``typ: JWT``,
    the client in ``azp``) and RFC 9068 (``typ: at+jwt``, ``client_id``). The ``aud`` of an ID token
    is a client, not an API, so ID tokens are refused. Auth0 has no introspection: a revoked token
    stays valid until ``exp``.

    Documents: "Access Token Profiles" and "Validate Access Tokens" of auth0.com/docs.
    """
    base = https(domain)
    return IssuerSettings(
        iss=f"{base}/",
        audiences=audience or conf.audiences,
        jwks_url=f"{base}/.well-known/jwks.json",
        is_machine=_is_machine,
    )


def _is_machine(claims: Mapping[str, Any]) -> bool:
    return claims.get("gty") == "client-credentials" or str(claims.get("sub")).endswith("@clients")
