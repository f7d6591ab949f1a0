"""The cast: an authorization server, and an API client for each token that it issues."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.configuration import set_hypothesis_home_dir
from oauth_resource_server.conf import reset_process_state
from rest_framework.test import APIClient

from .authorization_server import AuthorizationServer

# No time is asserted, for the machine may be busy; and what is left behind is a cache to git.
set_hypothesis_home_dir(Path(__file__).with_name(".hypothesis_cache"))
hypothesis_settings.register_profile(
    "package", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("package")


@pytest.fixture(autouse=True)
def _nothing_is_remembered():
    yield
    reset_process_state()


@pytest.fixture
def configure(settings):
    """Return a function that changes settings of the package by their names; None removes one."""

    def configure(**changes):
        for group, is_mine in (("OAUTH2_PROVIDER", True), ("OAUTH_RESOURCE_SERVER", False)):
            mine = {
                name: value
                for name, value in changes.items()
                if name.startswith("RESOURCE_SERVER_") == is_mine
            }
            values = (getattr(settings, group) | mine).items()
            setattr(settings, group, {name: value for name, value in values if value is not None})

    return configure


@pytest.fixture
def authorization_server(configure):
    """An authorization server that runs, and that the resource server asks."""
    server = AuthorizationServer()
    configure(RESOURCE_SERVER_INTROSPECTION_URL=server.url)
    yield server
    reset_process_state()  # Closes the connections, before the other end goes away.
    server.stop()


@pytest.fixture
def anonymous():
    """An API client without a token."""
    return APIClient()


@pytest.fixture
def client_with(authorization_server):
    """Return a function that makes an API client with a token, which need not exist."""

    def client_with(token):
        return APIClient(headers={"Authorization": f"Bearer {token}"})

    return client_with


@pytest.fixture
def alice(authorization_server, client_with):
    """Alice, a person, in the application `shop`, with both scopes."""
    return client_with(authorization_server.issue("alice-token"))


@pytest.fixture
def machine(authorization_server, client_with):
    """`importer`, a client that acts for itself, with both scopes."""
    return client_with(authorization_server.issue_to_machine("machine-token"))
