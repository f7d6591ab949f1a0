"""Whether a token that is genuine is meant for this resource server. Pure, for both strategies."""

from collections.abc import Mapping
from typing import Any

from token_introspection.issuers.settings import GUID, IssuerSettings
from token_introspection.tokens import AccessToken

TENANT = "{tenantid}"  # As in the metadata of Entra.


def issuer_of(claims: Mapping[str, Any], issuer: IssuerSettings) -> str | None:
    """Return the issuer identifier in `claims`, in the spelling to keep; None if it is another."""
    iss, tenant, expected = claims.get("iss"), claims.get("tid"), issuer.iss
    if TENANT in expected:
        if not isinstance(tenant, str) or not GUID.fullmatch(tenant):
            return None
        expected = expected.replace(TENANT, tenant)
    return expected if iss == expected or iss in issuer.other_iss else None


def objection(token: AccessToken, issuer: IssuerSettings) -> str:
    """Return why `token` is not meant for this resource server; empty if it is."""
    is_for_nobody = not token.aud and issuer.aud_may_be_missing
    if issuer.audiences and not is_for_nobody and not set(issuer.audiences) & set(token.aud):
        return f"it is for {token.aud!r}, and this is {' or '.join(issuer.audiences)}"
    if issuer.client_ids and token.client_id not in issuer.client_ids:
        return f"its client {token.client_id!r} is none of those that are accepted"
    return ""


def mismatch(claims: Mapping[str, Any], issuer: IssuerSettings) -> str:
    """Return which claim of a JWT is missing, or has a value that no access token has; or ""."""
    for name, values in issuer.claims:
        if name not in claims or (values and claims[name] not in values):
            return f"`{name}` is {claims.get(name)!r}"
    if issuer.is_access_token and ("at_hash" in claims or "c_hash" in claims):
        return "it is an ID token"  # OpenID Connect Core section 3.1.3.6
    return ""
