"""Who asks: a resource server, with the credentials of its client or a token issued to it.

Two ways, both of django-oauth-toolkit: HTTP Basic (RFC 6749 section 2.3.1), or a bearer token with
the scope ``introspection`` (RFC 6750 section 2.1). Credentials in the body are not accepted.
"""

import base64
import hashlib
import re
from urllib.parse import unquote_plus

from oauth2_provider.models import AccessToken, Application

from client_registry.credentials import CLIENT_ID
from client_registry.hashers import verify_secret
from client_registry.manifests import ResourceServer, resource_servers
from client_registry.models import active_registration
from client_registry.scopes import INTROSPECTION


class InvalidCredentials(Exception):
    """Nobody who may introspect. `error` is for the body, `challenge` for WWW-Authenticate."""

    def __init__(self, error: str, challenge: str) -> None:
        super().__init__(error)
        self.error = error
        self.challenge = challenge


INVALID_CLIENT = ("invalid_client", 'Basic realm="introspection", charset="UTF-8"')
INVALID_TOKEN = ("invalid_token", 'Bearer realm="introspection", error="invalid_token"')


def authenticate(header: str) -> ResourceServer:
    """Return whose credentials are in the Authorization `header`. Makes at most one query.

    Raises:
        InvalidCredentials: the status is 401.
    """
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        application, failure = application_of_token(value.strip()), INVALID_TOKEN
    else:
        application = application_of_basic(value.strip()) if scheme.lower() == "basic" else None
        failure = INVALID_CLIENT
    server = resource_server_of(application)
    if server is None:
        raise InvalidCredentials(*failure)
    return server


def application_of_basic(value: str) -> Application | None:
    """Return the application whose client_id and secret `value` holds, each form-urlencoded."""
    try:
        client_id, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    # PostgreSQL refuses to look for some of the characters that no client_id has.
    if not colon or not re.fullmatch(CLIENT_ID, client_id):
        return None
    applications = Application.objects.select_related("registration")
    application = applications.filter(client_id=client_id).first()
    if application and verify_secret(secret, application.client_secret):
        return application
    return None


def application_of_token(value: str) -> Application | None:
    """Return the application to which the token `value` was issued, for itself and with the scope.

    One that is restricted to resources (RFC 8707) is for them, and not for this server.
    """
    token = (
        AccessToken.objects.select_related("application__registration")
        .filter(token_checksum=hashlib.sha256(value.encode()).hexdigest())
        .first()
    )
    if token is None or token.user_id or token.resource or not token.is_valid([INTROSPECTION]):
        return None
    return token.application


def resource_server_of(application: Application | None) -> ResourceServer | None:
    """Return the resource server that `application` is the client of."""
    registration = active_registration(application)
    if application is None or application.client_type != Application.CLIENT_CONFIDENTIAL:
        return None
    return resource_servers().get(registration.resource_server) if registration else None
