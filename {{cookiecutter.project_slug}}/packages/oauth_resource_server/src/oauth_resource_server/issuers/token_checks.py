"""Check that an authentic token is meant for this resource server. For every strategy; pure.

Each check returns the reason of a refusal, for the log, or None.
"""

from collections.abc import Mapping
from typing import Any

from oauth_resource_server.issuers.settings import GUID, IssuerSettings
from oauth_resource_server.tokens import AccessToken

TENANT = "{tenantid}"  # Placeholder in the metadata of Entra ID.
MAX_SUB_LENGTH = 255  # OpenID Connect Core section 2; also the width of the database column.
EMPTY: tuple[Any, ...] = (None, "", [], {})  # Not all false values: a time may be 0.


def issuer_of(claims: Mapping[str, Any], issuer: IssuerSettings) -> str | None:
    """Return the canonical issuer identifier if `claims` name `issuer`, else None."""
    iss, tenant, expected = claims.get("iss"), claims.get("tid"), issuer.iss
    if TENANT in expected:
        if not isinstance(tenant, str) or not GUID.fullmatch(tenant):
            return None
        expected = expected.replace(TENANT, tenant)
    return expected if iss == expected or iss in issuer.other_iss else None


def rejection_reason(token: AccessToken, issuer: IssuerSettings) -> str | None:
    """Check subject, audience and client."""
    # A username can be reassigned to another person, so it never replaces a missing `sub`.
    if not token.sub:
        return "`sub` is missing"
    if len(token.sub) > MAX_SUB_LENGTH:
        return f"`sub` is longer than {MAX_SUB_LENGTH} characters"
    # An optional `aud` that is present must match, also when no audience is configured.
    counts = bool(token.aud) if issuer.aud_may_be_missing else bool(issuer.audiences)
    if counts and not set(issuer.audiences) & set(token.aud):
        expected = " or ".join(issuer.audiences) or "no `aud`"
        return f"expected the audience {expected}, got {token.aud!r}"
    if issuer.client_ids and token.client_id not in issuer.client_ids:
        return f"the client {token.client_id!r} is not in `client_ids`"
    return None


def sender_constraint(claims: Mapping[str, Any]) -> str | None:
    """Check that the token is not sender-constrained.

    The proof of possession is not verified here. Accepted as a bearer token, a stolen token would
    be usable, which is what the constraint prevents.
    """
    if claims.get("cnf") is not None:  # RFC 7800; RFC 8705 section 3; RFC 9449 section 6
        return "it is bound to a key (`cnf`), and proof of possession is not supported"
    if str(claims.get("token_type")).lower() == "dpop":  # RFC 9449 section 5
        return "`token_type` is DPoP, and proof of possession is not supported"
    return None


def wrong_claim(claims: Mapping[str, Any], issuer: IssuerSettings) -> str | None:
    """Check the claims of a JWT that `issuer` requires, and that it is not an ID token."""
    for name, values in issuer.claims:
        value = claims.get(name)
        if (value not in values) if values else (value in EMPTY):
            return f"`{name}` is {value!r}"
    if issuer.is_access_token and ("at_hash" in claims or "c_hash" in claims):
        return "it is an ID token"  # OpenID Connect Core section 3.1.3.6
    return sender_constraint(claims)
