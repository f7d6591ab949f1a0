"""Judge what the authorization server answered about a token (RFC 7662 section 2.2)."""

import logging
from typing import Any

from oauth_resource_server.errors import IntrospectionResponseInvalid
from oauth_resource_server.issuers.acceptance import binding, issuer_of, objection
from oauth_resource_server.issuers.claims import access_token, text
from oauth_resource_server.issuers.settings import IssuerSettings
from oauth_resource_server.tokens import AccessToken

log = logging.getLogger(__name__)


def judge(answer: dict[str, Any], issuer: IssuerSettings) -> AccessToken | None:
    """Return the token if it is active, not expired, of `issuer` and meant for us; otherwise None.

    Args:
        answer: The JSON object that the authorization server answered.
        issuer: Who that is. Whether ``iss`` may be missing, it says; ``aud`` may not where the
            issuer has audiences.

    Raises:
        IntrospectionResponseInvalid: ``active`` is missing, or a member is of the wrong type.
    """
    if not is_active(answer, issuer):
        return None
    try:
        said = text(answer, "iss")
        missing = not said and issuer.iss_may_be_missing
        iss = issuer.iss if missing else issuer_of(answer, issuer)
        token = access_token(answer, issuer, said if iss is None else iss)
    except ValueError as error:
        url = issuer.introspection_url
        raise IntrospectionResponseInvalid(str(error), url=url, status=200) from None
    if token.is_expired():
        return None
    reason = "" if iss else f"its issuer is {said!r}, not {issuer.iss!r}"
    reason = reason or objection(token, issuer) or _not_a_bearer_token(answer, issuer)
    if reason:
        # It may be good elsewhere. When no token at all is good here, this line tells why.
        _refused(issuer, reason)
        return None
    return token


def is_still_good(answer: dict[str, Any], issuer: IssuerSettings) -> bool:
    """Return whether `answer` leaves a JWT that was verified as good as it is.

    Of the answer, only news counts: that it was revoked, or what it is bound to where the token
    itself says little (lightweight ones of Keycloak). What the token says is signed.

    Raises:
        IntrospectionResponseInvalid: It does not say whether the token is active.
    """
    if not is_active(answer, issuer):
        return False
    if reason := binding(answer):
        _refused(issuer, reason)
    return not reason


def is_active(answer: dict[str, Any], issuer: IssuerSettings) -> bool:
    """Return whether `answer` says that the token is active.

    Raises:
        IntrospectionResponseInvalid: It does not say so or otherwise.
    """
    active = answer.get("active")
    if not isinstance(active, bool):
        raise IntrospectionResponseInvalid(
            "`active` is not true or false", url=issuer.introspection_url, status=200
        )
    return active


def _refused(issuer: IssuerSettings, reason: str) -> None:
    log.warning("Refused an active token of %s: %s.", issuer.name or issuer.iss, reason)


def _not_a_bearer_token(answer: dict[str, Any], issuer: IssuerSettings) -> str:
    for name, values in issuer.answer:
        if name in answer and answer[name] not in values:
            return f"`{name}` is {answer[name]!r}"
    return binding(answer)
