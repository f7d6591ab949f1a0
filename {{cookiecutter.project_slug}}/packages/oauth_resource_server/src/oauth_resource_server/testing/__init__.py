"""Test views that need an access token, without an authorization server.

A request of a test goes the way of a real one: header, authentication, judgement, permissions. Only
the question to the authorization server is answered here, so nothing needs a network::

    class OrderTests(AccessTokenMixin, TestCase):
        def test_a_reader_may_not_order(self):
            reader = self.api_client_for(access_token(scope="orders:read"))
            self.assertEqual(reader.post("/api/orders/").status_code, 403)

Fixtures for pytest are in ``oauth_resource_server.testing.fixtures``. Deployed code imports
nothing of this package.
"""

from oauth_resource_server.testing.authorization_server import (
    AuthorizationServer,
    authorization_server,
)
from oauth_resource_server.testing.mixin import AccessTokenMixin
from oauth_resource_server.testing.tokens import access_token, machine_token

__all__ = [
    "AccessTokenMixin",
    "AuthorizationServer",
    "access_token",
    "authorization_server",
    "machine_token",
]
