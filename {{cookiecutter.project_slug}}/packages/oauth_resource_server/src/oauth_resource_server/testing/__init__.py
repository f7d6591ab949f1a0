"""Test views that need an access token, without an authorization server.

Header, authentication, validation and permissions are the real ones. Only the introspection
request is replaced, so that tests need no network::

    class OrderTests(AccessTokenMixin, TestCase):
        def test_a_reader_cannot_order(self):
            reader = self.api_client_for(access_token(scope="orders:read"))
            self.assertEqual(reader.post("/api/orders/").status_code, 403)
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import TestCase
from unittest.mock import patch

from django.conf import settings
from django.test import override_settings
from oauth2_provider.scopes import get_scopes_backend
from rest_framework.test import APIClient

from oauth_resource_server import errors
from oauth_resource_server.conf import conf, reset_process_state
from oauth_resource_server.issuers.introspection import IntrospectionClient
from oauth_resource_server.tokens import AccessToken

__all__ = [
    "AccessTokenMixin",
    "AuthorizationServer",
    "access_token",
    "authorization_server",
    "machine_token",
]

URL = "https://authorization-server.test/o/introspect/"


def access_token(
    *,
    sub: str = "alice",
    scope: str | None = None,
    client_id: str = "a-client",
    more: Mapping[str, Any] | None = None,
    **claims: Any,
) -> AccessToken:
    """Return a token of a person that this resource server accepts, unless `claims` say otherwise.

    Args:
        sub: The person.
        scope: Space-separated scopes. Default: all scopes of this resource server.
        client_id: The client that the person uses.
        more: Claims that are not attributes of `AccessToken`.
        claims: Other attributes of `AccessToken`, such as ``exp`` (Unix seconds) or ``username``.
    """
    now = int(time.time())
    defaults: dict[str, Any] = {
        "scope": " ".join(get_scopes_backend().get_all_scopes()) if scope is None else scope,
        "exp": now + 600,
        "iat": now,
        "iss": conf().issuer,
        "aud": conf().audiences,
        "extra_claims_json": json.dumps(more) if more else "",
    }
    return AccessToken(sub=sub, client_id=client_id, **(defaults | claims))


def machine_token(client_id: str = "a-machine", **claims: Any) -> AccessToken:
    """Return a token of a client that acts for itself, as with the client credentials grant."""
    return access_token(sub=client_id, client_id=client_id, **claims)


class AuthorizationServer:
    """Knows the tokens that it has issued. Every other token is inactive."""

    def __init__(self) -> None:
        self.asked = 0  # Number of introspections.
        self._responses: dict[str, dict[str, Any]] = {}
        self._error: errors.TokenValidationError | None = None

    def issue(self, token: AccessToken) -> str:
        """Return a token string for `token`."""
        value = secrets.token_urlsafe(32)
        self._responses[value] = {"active": True, **token.claims}
        return value

    def bearer(self, token: AccessToken | str) -> dict[str, str]:
        """Return the `headers` for Django's test client. A string is sent as an unknown token."""
        value = token if isinstance(token, str) else self.issue(token)
        return {"Authorization": f"Bearer {value}"}

    def api_client_for(self, token: AccessToken | str) -> APIClient:
        """Return a test client of Django REST Framework that sends `token` with each request."""
        return APIClient(headers=self.bearer(token))

    def unavailable(self, *, retry_after: int | None = None) -> None:
        """Simulate an outage: 503 for uncached tokens. `retry_after` is in seconds."""
        self._error = errors.AuthorizationServerUnavailable(
            "Down, says the test", url=URL, status=503, retry_after=retry_after
        )

    def refuses_credentials(self) -> None:
        """Refuse the credentials of this resource server: 503, and one line in the log."""
        self._error = errors.IntrospectionCredentialsRefused("Status 401", url=URL, status=401)

    def available(self) -> None:
        """End the outage, and empty the caches of this process."""
        self._error = None
        reset_process_state()

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the introspection response (RFC 7662 section 2.2), or raise the outage."""
        self.asked += 1
        if self._error is not None:
            raise self._error
        return self._responses.get(token, {"active": False})


@contextmanager
def authorization_server() -> Iterator[AuthorizationServer]:
    """Replace the authorization server within the block, and every other issuer of the settings.

    The caches of this process are emptied before and after.
    """
    server = AuthorizationServer()
    bundled_only = {**getattr(settings, "OAUTH_RESOURCE_SERVER", {}), "ISSUERS": None}

    def introspect(client: IntrospectionClient, token: str) -> dict[str, Any]:
        return server.introspect(token)

    # The method and not an object: a setting that a test overrides makes new objects.
    with patch.object(IntrospectionClient, "introspect", introspect), ExitStack() as stack:
        stack.callback(reset_process_state)
        if conf().issuers is not None:
            stack.enter_context(override_settings(OAUTH_RESOURCE_SERVER=bundled_only))
        reset_process_state()
        yield server


class AccessTokenMixin(TestCase):
    """Replaces the authorization server in each test. Goes before Django's ``TestCase``."""

    authorization_server: AuthorizationServer

    def setUp(self) -> None:
        super().setUp()
        server = self.authorization_server = self.enterContext(authorization_server())
        self.bearer, self.api_client_for = server.bearer, server.api_client_for
