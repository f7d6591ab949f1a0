"""Fixtures for pytest-django: ``pytest_plugins = ["oauth_resource_server.testing.fixtures"]``."""

from collections.abc import Callable, Iterator

import pytest
from rest_framework.test import APIClient

from oauth_resource_server import testing
from oauth_resource_server.tokens import AccessToken


@pytest.fixture
def authorization_server() -> Iterator[testing.AuthorizationServer]:
    """Replace the authorization server; see `testing.AuthorizationServer`."""
    with testing.authorization_server() as server:
        yield server


# Both need the database, where the first use of a token looks for a deactivated user.


@pytest.fixture
def bearer(
    authorization_server: testing.AuthorizationServer, db: None
) -> Callable[[AccessToken | str], dict[str, str]]:
    """Return a function from a token to the headers of a request."""
    return authorization_server.bearer


@pytest.fixture
def api_client_for(
    authorization_server: testing.AuthorizationServer, db: None
) -> Callable[[AccessToken | str], APIClient]:
    """Return a function from a token to a test client of Django REST Framework."""
    return authorization_server.api_client_for
