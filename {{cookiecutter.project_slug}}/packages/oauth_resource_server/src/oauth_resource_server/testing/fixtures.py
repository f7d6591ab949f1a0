"""Fixtures for pytest: ``pytest_plugins = ["oauth_resource_server.testing.fixtures"]``.

That line goes into the ``conftest.py`` of the tests. Needs pytest-django.
"""

from collections.abc import Callable, Iterator

import pytest
from rest_framework.test import APIClient

from oauth_resource_server import testing
from oauth_resource_server.tokens import AccessToken


@pytest.fixture
def authorization_server() -> Iterator[testing.AuthorizationServer]:
    """Answer in the place of the authorization server; can be told to be ``unavailable()``."""
    with testing.authorization_server() as server:
        yield server


@pytest.fixture
def bearer(
    authorization_server: testing.AuthorizationServer, db: None
) -> Callable[[AccessToken | str], dict[str, str]]:
    """Return a function: from a token to the header that carries it.

    With the database, where the first use of a token looks for a person who is deactivated.
    """
    return authorization_server.bearer


@pytest.fixture
def api_client_for(
    authorization_server: testing.AuthorizationServer, db: None
) -> Callable[[AccessToken | str], APIClient]:
    """Return a function: from a token to a REST framework client whose requests all carry it."""
    return authorization_server.api_client_for
