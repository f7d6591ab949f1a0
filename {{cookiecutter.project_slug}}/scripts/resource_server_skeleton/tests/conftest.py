"""The cast of the tests: Alice and Bob, who are people, and a machine, each with a token."""

import time

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.test import APIClient

from token_introspection import AccessToken

NAME = settings.MANIFEST["name"]
READ, WRITE = f"{NAME}:read", f"{NAME}:write"


def access_token(sub, scope=f"{READ} {WRITE}", client_id="shop"):
    """Return a token as introspection would have given it."""
    now = int(time.time())
    return AccessToken(
        sub=sub,
        client_id=client_id,
        scope=scope,
        exp=now + 600,
        iat=now,
        iss=settings.AUTHORIZATION_SERVER_URL,
        aud=(settings.MANIFEST["audience"],),
    )


def client_of(token):
    """Return an API client whose requests carry `token`."""
    client = APIClient()
    client.force_authenticate(AnonymousUser(), token)
    return client


@pytest.fixture
def alice():
    return client_of(access_token("alice"))


@pytest.fixture
def bob():
    return client_of(access_token("bob"))


@pytest.fixture
def reader():
    """Alice with a token that may only read."""
    return client_of(access_token("alice", scope=READ))


@pytest.fixture
def machine():
    return client_of(access_token("importer", client_id="importer"))


@pytest.fixture
def stranger():
    """Somebody without a token."""
    return APIClient()
