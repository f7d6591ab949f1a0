"""What stands in for the authorization server while a test runs."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from django.conf import settings
from django.test import override_settings
from rest_framework.test import APIClient

from oauth_resource_server.conf import conf, reset_process_state
from oauth_resource_server.errors import (
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    TokenValidationError,
)
from oauth_resource_server.issuers.introspection import IntrospectionClient
from oauth_resource_server.tokens import AccessToken

URL = "https://authorization-server.test/o/introspect/"


class AuthorizationServer:
    """Knows the tokens that it has issued; any other string is an inactive token.

    Attributes:
        asked: How often it was asked about a token.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._answers: dict[str, dict[str, Any]] = {}
        self._error: TokenValidationError | None = None

    def issue(self, token: AccessToken) -> str:
        """Return a string that stands for `token` from now on."""
        value = secrets.token_urlsafe(32)
        self._answers[value] = {"active": True, **token.claims}
        return value

    def bearer(self, token: AccessToken | str) -> dict[str, str]:
        """Return the header that carries `token`, for the `headers` of Django's test client.

        Args:
            token: What the header stands for; or a string as it is, for one that nobody issued.
        """
        value = token if isinstance(token, str) else self.issue(token)
        return {"Authorization": f"Bearer {value}"}

    def api_client_for(self, token: AccessToken | str) -> APIClient:
        """Return Django REST Framework's test client whose requests all carry `token`."""
        return APIClient(headers=self.bearer(token))

    def unavailable(self, *, retry_after: int | None = None) -> None:
        """Be down from now on: 503 for tokens that were not used before.

        Args:
            retry_after: Seconds that it asks to wait.
        """
        self._error = AuthorizationServerUnavailable(
            "Down, says the test", url=URL, status=503, retry_after=retry_after
        )

    def refuses_credentials(self) -> None:
        """Refuse this resource server from now on: 503, and one line in the log."""
        self._error = IntrospectionCredentialsRefused("Status 401", url=URL, status=401)

    def available(self) -> None:
        """Be back. The outage is forgotten, and with it what was remembered about tokens."""
        self._error = None
        reset_process_state()

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the answer about `token` (RFC 7662 section 2.2).

        Raises:
            TokenValidationError: It was told to.
        """
        self.asked += 1
        if self._error is not None:
            raise self._error
        return self._answers.get(token, {"active": False})


@contextmanager
def authorization_server() -> Iterator[AuthorizationServer]:
    """Put an `AuthorizationServer` in the place of the real one until the block is left.

    It stands in for every issuer of the settings: its tokens are those of the bundled one. What was
    remembered about tokens is forgotten before and after.
    """
    server = AuthorizationServer()
    own = {**getattr(settings, "OAUTH_RESOURCE_SERVER", {}), "ISSUERS": None}

    def introspect(client: IntrospectionClient, token: str) -> dict[str, Any]:
        return server.introspect(token)

    # The method and not an object: a setting that a test overrides makes new objects.
    with patch.object(IntrospectionClient, "introspect", introspect), ExitStack() as stack:
        stack.callback(reset_process_state)
        if conf().issuers is not None:
            stack.enter_context(override_settings(OAUTH_RESOURCE_SERVER=own))
        reset_process_state()
        yield server
