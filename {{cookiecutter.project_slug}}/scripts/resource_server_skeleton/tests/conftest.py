"""The cast of the tests: Alice and Bob, who are people, and a machine, each with a token.

No authorization server runs: `oauth_resource_server.testing` answers in its place.
"""

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from oauth_resource_server.testing import access_token, machine_token

pytest_plugins = ["oauth_resource_server.testing.fixtures"]

NAME = settings.MANIFEST["name"]
READ, WRITE = f"{NAME}:read", f"{NAME}:write"


@pytest.fixture
def alice(api_client_for):
    return api_client_for(access_token(sub="alice"))


@pytest.fixture
def bob(api_client_for):
    return api_client_for(access_token(sub="bob"))


@pytest.fixture
def reader(api_client_for):
    """Alice with a token that may only read."""
    return api_client_for(access_token(sub="alice", scope=READ))


@pytest.fixture
def machine(api_client_for):
    return api_client_for(machine_token("importer"))


@pytest.fixture
def stranger():
    """Somebody without a token."""
    return APIClient()
