"""Servers that implement RFC 7662 or RFC 9068."""

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.settings import (
    RFC9068_TYPE,
    IssuerSettings,
    Strings,
    credentials_of,
)


def authorization_server(conf: Conf) -> IssuerSettings:
    """Return the authorization server of ``OAUTH2_PROVIDER``."""
    if not (conf.url and conf.issuer):
        raise ImproperlyConfigured("It needs an introspection URL and ISSUER.")
    return IssuerSettings(
        iss=conf.issuer,
        audiences=conf.audiences,
        introspection_url=conf.url,
        credentials=None if conf.bearer_token else conf.credentials,
        secret_file=conf.secret_file,
        bearer_token=conf.bearer_token or None,
        iss_may_be_missing=False,
    )


def rfc7662(
    conf: Conf,
    *,
    issuer: str,
    url: str,
    audience: Strings = (),
    client_id: str = "",
    client_secret: str = "",
    bearer_token: str = "",
) -> IssuerSettings:
    """Return the issuer of an introspection endpoint (RFC 7662).

    ``iss`` is optional in a response; one without it is attributed to the server that was asked.
    """
    return IssuerSettings(
        iss=issuer,
        audiences=audience or conf.audiences,
        introspection_url=url,
        credentials=credentials_of(client_id, client_secret),
        bearer_token=bearer_token or None,
    )


def rfc9068(
    conf: Conf,
    *,
    issuer: str,
    jwks_url: str,
    audience: Strings = (),
    url: str = "",
    client_id: str = "",
    client_secret: str = "",
) -> IssuerSettings:
    """Return the issuer of JWT access tokens of the profile of RFC 9068.

    The header must be ``typ: at+jwt``, which no ID token has, unless the option ``types`` says
    otherwise. ``sub``, ``client_id``, ``iat`` and ``jti`` are required (section 2.2).
    """
    return IssuerSettings(
        iss=issuer,
        audiences=audience or conf.audiences,
        introspection_url=url,
        credentials=credentials_of(client_id, client_secret),
        jwks_url=jwks_url,
        types=RFC9068_TYPE,
        claims=(("sub", ()), ("client_id", ()), ("iat", ()), ("jti", ())),
    )
