"""Who asks: a resource server, with the credentials of its client or a token issued to it.

Two ways, both of django-oauth-toolkit: HTTP Basic (RFC 6749 section 2.3.1), or a bearer token with
the scope ``introspection`` (RFC 6750 section 2.1). Credentials in the body are not accepted.
"""

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import unquote_plus

from oauth2_provider.models import AccessToken, Application

from client_registry.hashers import verify_secret
from client_registry.manifests import ResourceServer, resource_servers
from client_registry.models import active_registration
from client_registry.scopes import INTROSPECTION


class InvalidCredentials(Exception):
    """Nobody who may introspect.

    `error` is for the body, `challenge` for WWW-Authenticate, and `reason` for the log only.
    """

    def __init__(self, error: str, challenge: str, reason: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.challenge = challenge
        self.reason = reason


INVALID_CLIENT = ("invalid_client", 'Basic realm="introspection", charset="UTF-8"')
INVALID_TOKEN = ("invalid_token", 'Bearer realm="introspection", error="invalid_token"')


@dataclass(frozen=True, slots=True)
class Caller:
    """A resource server that may ask, and how its client was stored when that was found out.

    `stored` is compared with the database by every answer: whatever changes there counts at once.
    """

    server: ResourceServer
    application_id: int
    stored: tuple[str, str]


def caller_of(application: Application | None) -> Caller | None:
    """Return who `application` lets ask: the resource server that it is the client of, if any."""
    registration = active_registration(application)
    if application is None or application.client_type != Application.CLIENT_CONFIDENTIAL:
        return None
    server = resource_servers().get(registration.resource_server) if registration else None
    if registration is None or server is None:
        return None
    stored = (application.client_secret, registration.resource_server)
    return Caller(server, application.pk, stored)


def parse_basic(value: str) -> tuple[str, str] | None:
    """Return the client_id and the secret that `value` holds, each form-urlencoded in it."""
    try:
        client_id, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (unquote_plus(client_id), unquote_plus(secret)) if colon else None


def caller_of_basic(client_id: str, secret: str, callers: dict[str, Caller]) -> Caller | None:
    """Return the one of `callers`, by client_id, that has this id and this secret."""
    caller = callers.get(client_id)
    return caller if caller and verify_secret(secret, caller.stored[0]) else None


def caller_of_token(value: str) -> Caller | None:
    """Return to whom the token `value` was issued, for itself and with the scope. Makes one query.

    One that is restricted to resources (RFC 8707) is for them, and not for this server.
    """
    token = (
        AccessToken.objects.select_related("application__registration")
        .filter(token_checksum=hashlib.sha256(value.encode()).hexdigest())
        .first()
    )
    if token is None or token.user_id or token.resource or not token.is_valid([INTROSPECTION]):
        return None
    return caller_of(token.application)
