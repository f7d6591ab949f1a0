"""Error responses (RFC 6750), for Django REST Framework and plain views."""

import logging
from typing import Any

from oauth2_provider.www_authenticate import build_bearer_challenge

from oauth_resource_server import errors
from oauth_resource_server.conf import conf
from oauth_resource_server.validation import MAX_TOKEN_LENGTH

INVALID_REQUEST = "invalid_request"  # RFC 6750 section 3.1, like the next two.
INVALID_TOKEN = "invalid_token"  # noqa: S105
INSUFFICIENT_SCOPE = "insufficient_scope"
TOKEN_REFUSED = "The access token is unknown, expired, revoked or not meant for this API."  # noqa: S105
TOKEN_TOO_LONG = f"The access token has more than {MAX_TOKEN_LENGTH} characters."
SCOPE_MISSING = "The access token lacks a scope that this request needs."
OWNER_REFUSED = "The owner of the access token may not use this API."
UNAVAILABLE = {
    "error": "temporarily_unavailable",
    "detail": "The access token cannot be checked at the moment. Try again later.",
}
QUIET = (errors.AuthorizationServerSkipped, errors.SigningKeyUnknown, errors.TooManyInvalidTokens)
BUNDLED_ADVICE = (
    "Check that `ensure_clients` has run there and that the *_INTROSPECTION_CLIENT_SECRET line of "
    ".env is the same on both sides."
)
ADVICE = (
    "Check the *_CLIENT_ID and *_CLIENT_SECRET lines of .env; `resource_server_doctor` says which."
)

log = logging.getLogger(__name__)


def body(error: str, detail: str) -> dict[str, str]:
    return {"error": error, "detail": detail}


def challenge(request: Any, **attributes: str) -> str:
    """Return the WWW-Authenticate header (RFC 6750 section 3, RFC 9728 section 5.1).

    Without `attributes` if the request carried no token.
    """
    return str(build_bearer_challenge(request, oauth2_error=attributes, realm=conf().realm))


def report(error: errors.TokenValidationError) -> int:
    """Log `error` in one line, and return the seconds for the Retry-After header."""
    if isinstance(error, errors.IntrospectionCredentialsRefused):
        log.error(
            "The authorization server %s refuses this resource server's client id %s (status %s). "
            "%s",
            error.url,
            error.client_id or "(it uses a bearer token)",
            error.status,
            BUNDLED_ADVICE if error.url == conf().url else ADVICE,
        )
    elif isinstance(error, QUIET):
        # There may be thousands per second. Their cause is logged elsewhere.
        log.debug("%s: %s", type(error).__name__, error)
    else:
        log.warning("%s at %s: %s", type(error).__name__, error.url, error)
    return max(1, error.retry_after or conf().retry_after)
