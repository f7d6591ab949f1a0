"""Judge what the authorization server answered about a token (RFC 7662 section 2.2)."""

import logging
import re
from functools import lru_cache
from typing import Any, TypeVar

from token_introspection.errors import IntrospectionResponseInvalid
from token_introspection.tokens import AccessToken

MAX_SUB_LENGTH = 255  # OpenID Connect Core section 2, and what the column of a local user holds.
MAX_TIMESTAMP = 253_402_300_799  # The last second of the year 9999, where datetime ends.
NO_CHARACTER = re.compile("[\0\ud800-\udfff]")
DIGITS = re.compile(r"[0-9]{1,12}")

log = logging.getLogger(__name__)

V = TypeVar("V", str, tuple[str, ...])


@lru_cache(maxsize=4096)
def _one(value: V) -> V:
    """Return the first object of this value: most tokens have the scope and client of others.

    It makes a token that is remembered half as large.
    """
    return value


def judge(answer: dict[str, Any], *, iss: str, aud: str = "", url: str = "") -> AccessToken | None:
    """Return the token if it is active, not expired, of `iss` and meant for `aud`; otherwise None.

    An answer without ``iss``, or without ``aud`` where one is asked for, is not for us.

    Args:
        answer: The JSON object that the authorization server answered.
        iss: The issuer whose tokens are accepted.
        aud: The RFC 8707 resource identifier of this resource server. Empty: accept any.
        url: The introspection endpoint, for the error.

    Raises:
        IntrospectionResponseInvalid: A member is missing or of the wrong type.
    """
    try:
        token = _access_token(answer)
    except ValueError as error:
        raise IntrospectionResponseInvalid(str(error), url=url, status=200) from None
    if token is None or token.is_expired():
        return None
    if token.iss != iss or (aud and aud not in token.aud):
        # It may be good elsewhere. When no token at all is good here, this line tells why.
        log.warning(
            "Refused an active token of %r for %r: this is %r, and trusts %r.",
            token.iss,
            token.aud,
            aud,
            iss,
        )
        return None
    return token


def _access_token(answer: dict[str, Any]) -> AccessToken | None:
    active = answer.get("active")
    if not isinstance(active, bool):
        raise ValueError("`active` is not true or false")
    if not active:
        return None
    client_id, username = _text(answer, "client_id"), _text(answer, "username")
    # A name can be given to somebody else later: it must not stand in for a missing `sub`.
    sub = _text(answer, "sub") or ("" if username else client_id)
    if not 0 < len(sub) <= MAX_SUB_LENGTH:
        raise ValueError(f"`sub` is missing or longer than {MAX_SUB_LENGTH} characters")
    return AccessToken(
        sub=sub,
        client_id=_one(client_id),
        scope=_one(_text(answer, "scope")),
        exp=_timestamp(answer, "exp"),
        iat=_timestamp(answer, "iat"),
        iss=_one(_text(answer, "iss")),
        aud=_one(_audiences(answer)),
        username=username or None,
        token_type=_one(_text(answer, "token_type") or "Bearer"),
    )


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is not a string")
    if NO_CHARACTER.search(value):
        # JSON can hold NUL and half a surrogate pair. A database cannot.
        raise ValueError(f"`{name}` holds a character that is none")
    return value


def _timestamp(answer: dict[str, Any], name: str) -> int | None:
    """Return Unix seconds. Some servers write them as strings of digits."""
    value = answer.get(name)
    if value is None:
        return None
    if isinstance(value, str) and DIGITS.fullmatch(value):
        value = int(value)
    # A bool is an int to Python; milliseconds would be a date after the year 9999.
    if type(value) is not int or not 0 <= value <= MAX_TIMESTAMP:
        raise ValueError(f"`{name}` is not a number of Unix seconds")
    return value


def _audiences(answer: dict[str, Any]) -> tuple[str, ...]:
    value = answer.get("aud")
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise ValueError("`aud` is not a string or a list of strings")
    return tuple(values)
