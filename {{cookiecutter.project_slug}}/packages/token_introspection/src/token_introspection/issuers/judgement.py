"""Judge what the authorization server answered about a token (RFC 7662 section 2.2)."""

import logging
from typing import Any

from token_introspection.errors import IntrospectionResponseInvalid
from token_introspection.issuers.acceptance import issuer_of, objection
from token_introspection.issuers.claims import access_token, text
from token_introspection.issuers.settings import IssuerSettings
from token_introspection.tokens import AccessToken

log = logging.getLogger(__name__)


def judge(answer: dict[str, Any], issuer: IssuerSettings) -> AccessToken | None:
    """Return the token if it is active, not expired, of `issuer` and meant for us; otherwise None.

    Args:
        answer: The JSON object that the authorization server answered.
        issuer: Who that is. Whether ``iss`` may be missing, it says; ``aud`` may not where the
            issuer has audiences.

    Raises:
        IntrospectionResponseInvalid: A member is missing or of the wrong type.
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
    reason = reason or objection(token, issuer) or _not_an_access_token(answer, issuer)
    if reason:
        # It may be good elsewhere. When no token at all is good here, this line tells why.
        log.warning("Refused an active token of %s: %s.", issuer.name or issuer.iss, reason)
        return None
    return token


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


def _not_an_access_token(answer: dict[str, Any], issuer: IssuerSettings) -> str:
    for name, values in issuer.answer:
        if name in answer and answer[name] not in values:
            return f"`{name}` is {answer[name]!r}"
    return ""
