"""Google: the kinds of tokens.

- ``id_token``: ID tokens of Google Sign-In and of service accounts; ``aud`` is the client.
  Google's access tokens cannot be verified, so this preset accepts ID tokens.
- ``identity_platform``: ID tokens of Identity Platform and Firebase; ``aud`` is the project.
- ``access_token``: opaque tokens, by tokeninfo. Only the client ties such a token to this API.
- ``workforce``: opaque tokens of workforce identity federation, by the introspection endpoint
  of the Security Token Service.
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.settings import (
    ANY_TYPE,
    IssuerSettings,
    Strategy,
    Strings,
    credentials_of,
)

ACCOUNTS = "https://accounts.google.com"
APIS = "https://www.googleapis.com"
STS = "https://sts.googleapis.com"
SECURETOKEN = "securetoken@system.gserviceaccount.com"
KINDS = ("id_token", "identity_platform", "access_token", "workforce")


def google(
    _: Conf,
    *,
    kind: str = "id_token",
    client_id: Strings = (),
    client_secret: str = "",
    project_id: str = "",
) -> IssuerSettings:
    """Return the issuer of a client or a project of Google."""
    if kind not in KINDS:
        raise ImproperlyConfigured(f"kind is {kind!r}, not one of {', '.join(KINDS)}.")
    needed = "project_id" if kind == "identity_platform" else "client_id"
    if not (project_id if needed == "project_id" else client_id):
        raise ImproperlyConfigured(f"the kind {kind} needs the option {needed}.")
    if kind == "identity_platform":
        return _identity_platform(project_id)
    if kind == "access_token":
        return IssuerSettings(
            iss=ACCOUNTS,
            strategy=Strategy.TOKENINFO,
            audiences=client_id,
            introspection_url="https://oauth2.googleapis.com/tokeninfo",
            is_machine=_is_service_account,
        )
    if kind == "workforce":
        return _workforce(client_id, client_secret)
    return _id_tokens(
        iss=ACCOUNTS,
        other_iss=("accounts.google.com",),
        audiences=client_id,
        jwks_url=f"{APIS}/oauth2/v3/certs",
        is_machine=_is_service_account,
    )


def _workforce(clients: Strings, secret: str) -> IssuerSettings:
    return IssuerSettings(
        iss=STS,
        other_iss=(f"{STS}/",),
        client_ids=clients,
        introspection_url=f"{STS}/v1/introspect",
        credentials=credentials_of(clients[0], secret),
        token_type_hint="urn:ietf:params:oauth:token-type:access_token",  # noqa: S106
        is_machine=lambda claims: False,  # These are issued to people only.
    )


def _identity_platform(project_id: str) -> IssuerSettings:
    return _id_tokens(
        iss=f"https://securetoken.google.com/{project_id}",
        audiences=(project_id,),
        jwks_url=f"{APIS}/robot/v1/metadata/x509/{SECURETOKEN}",
        # The same keys as a JWK Set: the discovery document names it, the guide the other URL.
        other_urls=(f"{APIS}/service_accounts/v1/jwk/{SECURETOKEN}",),
        is_machine=lambda claims: False,  # These are issued to people only.
    )


def _id_tokens(**fields: Any) -> IssuerSettings:
    return IssuerSettings(
        strategy=Strategy.JWT,
        types=ANY_TYPE[:2],
        claims=(("sub", ()),),
        is_access_token=False,
        **fields,
    )


def _is_service_account(claims: Mapping[str, Any]) -> bool:
    # A person may choose an address, but cannot verify one of Google's domain. Tokeninfo writes
    # booleans as strings.
    is_verified = claims.get("email_verified") in (True, "true")
    return is_verified and str(claims.get("email")).endswith(".gserviceaccount.com")
