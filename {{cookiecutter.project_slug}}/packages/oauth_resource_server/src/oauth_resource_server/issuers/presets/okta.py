"""Okta, and Auth0 of the same company."""

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.settings import IssuerSettings, Strings, credentials_of

HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")


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

    Only access tokens have ``cid``, and only those of people ``uid``. Tokens of the org
    authorization server are for Okta's own APIs and not supported.
    """
    iss = f"{_https(domain)}/oauth2/{authorization_server_id}"
    return IssuerSettings(
        iss=iss,
        audiences=audience or conf.audiences,
        introspection_url=f"{iss}/v1/introspect",
        credentials=credentials_of(client_id, client_secret),
        jwks_url=f"{iss}/v1/keys",
        claims=(("cid", ()),),
        is_machine=_is_machine_of_okta,
    )


def _is_machine_of_okta(claims: Mapping[str, Any]) -> bool:
    client_id = claims.get("cid") or claims.get("client_id")
    return "uid" not in claims and claims.get("sub") == client_id


def auth0(conf: Conf, *, domain: str, audience: Strings = ()) -> IssuerSettings:
    """Return the issuer of a tenant of Auth0, whose ``iss`` ends in a slash.

    The ``aud`` of an ID token is a client and not an API, so ID tokens are refused.
    """
    base = _https(domain)
    return IssuerSettings(
        iss=f"{base}/",
        audiences=audience or conf.audiences,
        jwks_url=f"{base}/.well-known/jwks.json",
        is_machine=_is_machine_of_auth0,
    )


def _is_machine_of_auth0(claims: Mapping[str, Any]) -> bool:
    return claims.get("gty") == "client-credentials" or str(claims.get("sub")).endswith("@clients")


def _https(host: str) -> str:
    name = host.removeprefix("https://").rstrip("/")
    if not HOST.fullmatch(name):
        raise ImproperlyConfigured(f"{host!r} is not the name of a host, such as acme.example.com.")
    return f"https://{name}"
