"""For tests that are classes."""

from unittest import TestCase

from rest_framework.test import APIClient

from oauth_resource_server.testing.authorization_server import (
    AuthorizationServer,
    authorization_server,
)
from oauth_resource_server.tokens import AccessToken


class AccessTokenMixin(TestCase):
    """Goes before Django's ``TestCase``: no test of the class asks the real authorization server.

    Attributes:
        authorization_server: What answers instead; it can be told to be ``unavailable()``.
    """

    authorization_server: AuthorizationServer

    def setUp(self) -> None:
        """Start with an authorization server that has issued nothing."""
        super().setUp()
        self.authorization_server = self.enterContext(authorization_server())

    def bearer(self, token: AccessToken | str) -> dict[str, str]:
        """Return the header that carries `token`, for the `headers` of Django's test client."""
        return self.authorization_server.bearer(token)

    def api_client_for(self, token: AccessToken | str) -> APIClient:
        """Return Django REST Framework's test client whose requests all carry `token`."""
        return self.authorization_server.api_client_for(token)
