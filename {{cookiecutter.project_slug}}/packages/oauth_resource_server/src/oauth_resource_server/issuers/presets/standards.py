"""Any server that keeps to RFC 7662 or RFC 9068."""

from oauth_resource_server.issuers.settings import (
    RFC9068_TYPE,
    IssuerSettings,
    Strings,
    as_list,
    credentials_of,
)


def rfc7662(
    *,
    issuer: str,
    url: str,
    audience: Strings = "",
    client_id: str = "",
    client_secret: str = "",
    bearer_token: str = "",
) -> IssuerSettings:
    """Derive the issuer from an introspection endpoint (RFC 7662).

    ``iss`` in an answer is optional there: one without it is of the server that was asked.

    Args:
        issuer: Its issuer identifier (RFC 8414).
        url: The introspection endpoint.
        audience: What must stand in ``aud``.
        client_id: Of this API, to introspect with.
        client_secret: Its secret.
        bearer_token: An access token to authenticate with in place of both.
    """
    return IssuerSettings(
        iss=issuer,
        audiences=as_list(audience),
        introspection_url=url,
        credentials=credentials_of(client_id, client_secret),
        bearer_token=bearer_token or None,
    )


def rfc9068(
    *,
    issuer: str,
    jwks_url: str,
    audience: Strings = "",
    url: str = "",
    client_id: str = "",
    client_secret: str = "",
) -> IssuerSettings:
    """Derive the issuer from a key set, for access tokens of the profile of RFC 9068.

    The header must say ``typ: at+jwt``, so no ID token passes; ``sub``, ``client_id``, ``iat`` and
    ``jti`` must be there (section 2.2).

    Args:
        issuer: Its issuer identifier (RFC 8414).
        jwks_url: ``jwks_uri`` of its metadata.
        audience: What must stand in ``aud``.
        url: Its introspection endpoint, for the strategy ``jwt+introspection``.
        client_id: Of this API, to introspect with.
        client_secret: Its secret.
    """
    return IssuerSettings(
        iss=issuer,
        audiences=as_list(audience),
        introspection_url=url,
        credentials=credentials_of(client_id, client_secret),
        jwks_url=jwks_url,
        types=RFC9068_TYPE,
        claims=(("sub", ()), ("client_id", ()), ("iat", ()), ("jti", ())),
    )
