"""API clients of Alice and Bob, who are people, and of a machine, each with an access token.

No authorization server runs: `oauth_resource_server.testing` answers introspection requests.
"""

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from oauth_resource_server.testing import access_token, machine_token

pytest_plugins = ["oauth_resource_server.testing.fixtures"]

READ, WRITE = settings.OAUTH2_PROVIDER["READ_SCOPE"], settings.OAUTH2_PROVIDER["WRITE_SCOPE"]


@pytest.fixture
def alice(api_client_for):
    return api_client_for(access_token(sub="alice", scope=f"{READ} {WRITE}"))


@pytest.fixture
def bob(api_client_for):
    return api_client_for(access_token(sub="bob", scope=f"{READ} {WRITE}"))


@pytest.fixture
def reader(api_client_for):
    """Alice with a token that may only read."""
    return api_client_for(access_token(sub="alice", scope=READ))


@pytest.fixture
def machine(api_client_for):
    return api_client_for(machine_token("importer", scope=f"{READ} {WRITE}"))


@pytest.fixture
def anonymous():
    """A client without an access token."""
    return APIClient()
