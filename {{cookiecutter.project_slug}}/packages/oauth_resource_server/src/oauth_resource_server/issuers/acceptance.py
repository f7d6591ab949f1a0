"""Whether a token that is genuine is meant for this resource server. Pure, for both strategies."""

from collections.abc import Mapping
from typing import Any

from oauth_resource_server.issuers.settings import GUID, IssuerSettings
from oauth_resource_server.tokens import AccessToken

TENANT = "{tenantid}"  # As in the metadata of Entra.
MAX_SUB_LENGTH = 255  # OpenID Connect Core section 2, and what the column of a local user holds.
# Not falsehood: a time may be 0.
EMPTY: tuple[Any, ...] = (None, "", [], {})


def issuer_of(claims: Mapping[str, Any], issuer: IssuerSettings) -> str | None:
    """Return the issuer identifier in `claims`, in the spelling to keep; None if it is another."""
    iss, tenant, expected = claims.get("iss"), claims.get("tid"), issuer.iss
    if TENANT in expected:
        if not isinstance(tenant, str) or not GUID.fullmatch(tenant):
            return None
        expected = expected.replace(TENANT, tenant)
    return expected if iss == expected or iss in issuer.other_iss else None


def objection(token: AccessToken, issuer: IssuerSettings) -> str:
    """Return why `token` is not for this resource server, or of nobody; empty if it is good."""
    if not 0 < len(token.sub) <= MAX_SUB_LENGTH:
        # A name can be given to somebody else later: it must not stand in.
        return f"its `sub` is {'too long' if token.sub else 'missing'}, so it is of nobody"
    # Where it may be missing and is not, it counts: also if nobody said what this API is called.
    counts = bool(token.aud) if issuer.aud_may_be_missing else bool(issuer.audiences)
    if counts and not set(issuer.audiences) & set(token.aud):
        here = " or ".join(issuer.audiences) or "none that has an `audience`"
        return f"it is for {token.aud!r}, and this is {here}"
    if issuer.client_ids and token.client_id not in issuer.client_ids:
        return f"its client {token.client_id!r} is none of those that are accepted"
    return ""


def binding(claims: Mapping[str, Any]) -> str:
    """Return why `claims` are of a token that only its client may use; empty if a bearer token.

    Nobody checks here that the client has its key: taken as a bearer token, it would be good in the
    hands of a thief, which is what the binding is against.
    """
    if claims.get("cnf") is not None:  # RFC 7800; RFC 8705 section 3; RFC 9449 section 6
        return "it is bound to a key of its client (`cnf`), and no proof of that is checked here"
    if str(claims.get("token_type")).lower() == "dpop":  # RFC 9449 section 5
        return "its `token_type` is DPoP, and no proof of a key is checked here"
    return ""


def mismatch(claims: Mapping[str, Any], issuer: IssuerSettings) -> str:
    """Return which claim of a JWT is missing, or has a value that no bearer token has; or ""."""
    for name, values in issuer.claims:
        value = claims.get(name)
        if (value not in values) if values else (value in EMPTY):
            return f"`{name}` is {value!r}"
    if issuer.is_access_token and ("at_hash" in claims or "c_hash" in claims):
        return "it is an ID token"  # OpenID Connect Core section 3.1.3.6
    return binding(claims)
