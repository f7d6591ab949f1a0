"""Google."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.issuers.settings import (
    ANY_TYPE,
    IssuerSettings,
    Strategy,
    Strings,
    as_list,
    credentials_of,
)

ACCOUNTS = "https://accounts.google.com"
STS = "https://sts.googleapis.com"
CERTIFICATES = (
    "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
)
# The same keys as a JWK Set. The discovery document names this address, the guide the other one.
CERTIFICATES_AS_JWKS = (
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
)
HINT = "urn:ietf:params:oauth:token-type:access_token"
Rule = Callable[[Mapping[str, Any]], bool]
KINDS = ("id_token", "identity_platform", "access_token", "workforce")


def google(
    *,
    kind: str = "id_token",
    client_id: Strings = "",
    client_secret: str = "",
    project_id: str = "",
) -> IssuerSettings:
    """Derive the issuer from a client or a project of Google.

    - ``id_token``: what Google Sign-In and service accounts send; ``aud`` is the client. Google's
      access tokens cannot be verified here, so this is the one preset that takes ID tokens.
    - ``identity_platform``: ID tokens of Identity Platform and Firebase; ``aud`` is the project.
    - ``access_token``: opaque ones, by way of tokeninfo, which is not RFC 7662 and no service with
      a promised capacity. The only thing that ties a token to this API is the client.
    - ``workforce``: opaque ones of workforce identity federation, by the introspection of the
      Security Token Service. Google has taken it out of its discovery document.

    Documents: "Verify the Google ID token on your server side"; "Verify ID Tokens" of Firebase;
    `getTokenInfo` of google-auth-library-nodejs; "Method: introspect" of the Security Token
    Service.

    Args:
        kind: One of the four.
        client_id: The OAuth client, or several.
        client_secret: Its secret, for ``workforce``.
        project_id: For ``identity_platform``.
    """
    if kind not in KINDS:
        raise ImproperlyConfigured(f"kind is {kind!r}, not one of {', '.join(KINDS)}.")
    clients = as_list(client_id)
    needed = "project_id" if kind == "identity_platform" else "client_id"
    if not (project_id if needed == "project_id" else clients):
        raise ImproperlyConfigured(f"the kind {kind} needs the option {needed}.")
    if kind == "identity_platform":
        issuer = f"https://securetoken.google.com/{project_id}"
        return _id_tokens(issuer, CERTIFICATES, (project_id,), _never)
    if kind == "access_token":
        return IssuerSettings(
            iss=ACCOUNTS,
            strategy=Strategy.TOKENINFO,
            audiences=clients,
            introspection_url="https://oauth2.googleapis.com/tokeninfo",
            is_machine=_is_machine,
        )
    if kind == "workforce":
        return IssuerSettings(
            iss=STS,
            other_iss=(f"{STS}/",),
            client_ids=clients,
            introspection_url=f"{STS}/v1/introspect",
            credentials=credentials_of(clients[0], client_secret),
            token_type_hint=HINT,
            is_machine=_never,
        )
    return _id_tokens(ACCOUNTS, "https://www.googleapis.com/oauth2/v3/certs", clients, _is_machine)


def _id_tokens(
    iss: str, jwks_url: str, audiences: tuple[str, ...], is_machine: Rule
) -> IssuerSettings:
    return IssuerSettings(
        iss=iss,
        other_iss=("accounts.google.com",) if iss == ACCOUNTS else (),
        strategy=Strategy.JWT,
        audiences=audiences,
        jwks_url=jwks_url,
        other_urls=(CERTIFICATES_AS_JWKS,) if jwks_url == CERTIFICATES else (),
        types=ANY_TYPE[:2],
        claims=(("sub", ()),),
        is_access_token=False,
        is_machine=is_machine,
    )


def _is_machine(claims: Mapping[str, Any]) -> bool:
    # People may choose an address, but not one of Google's that is verified. Tokeninfo says it in
    # a string.
    is_verified = claims.get("email_verified") in (True, "true")
    return is_verified and str(claims.get("email")).endswith(".gserviceaccount.com")


def _never(claims: Mapping[str, Any]) -> bool:
    """Say that a person stands behind each token: these kinds are for nobody else."""
    return False
