"""Introspection with a bearer token that has the scope `introspection`, as DOT supports it."""

import pytest
import requests
from _project import env_prefix
from authlib.integrations.requests_client import OAuth2Session
from infrastructure import machine_token


@pytest.fixture
def introspection_client(stack, first):
    """Return a client with the introspection credentials of the resource server."""
    prefix = env_prefix(first["name"])
    return OAuth2Session(
        stack.env[f"{prefix}_INTROSPECTION_CLIENT_ID"],
        stack.env[f"{prefix}_INTROSPECTION_CLIENT_SECRET"],
    )


@pytest.fixture
def bearer(stack, introspection_client):
    """Return a token of that client."""
    return introspection_client.fetch_token(
        f"{stack.url}/o/token/", grant_type="client_credentials", scope="introspection"
    )["access_token"]


def introspect(stack, token, bearer):
    return requests.post(
        f"{stack.url}/o/introspect/",
        {"token": token},
        headers={"Authorization": f"Bearer {bearer}"},
        timeout=10,
    )


def test_a_resource_server_may_introspect_with_a_bearer_token(stack, bearer, first):
    token = machine_token(stack, f"{first['name']}:read")
    assert introspect(stack, token, bearer).json()["active"] is True


def test_the_bearer_token_of_another_client_is_refused(stack, first):
    token = machine_token(stack, f"{first['name']}:read")
    response = introspect(stack, token, token)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")


def test_no_other_client_is_granted_the_scope(stack):
    response = requests.post(
        f"{stack.url}/o/token/",
        {"grant_type": "client_credentials", "scope": "introspection"},
        auth=(stack.env["DEMO_MACHINE_CLIENT_ID"], stack.env["DEMO_MACHINE_CLIENT_SECRET"]),
        timeout=10,
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


def test_the_resource_servers_client_is_granted_nothing_else(stack, introspection_client, first):
    response = requests.post(
        f"{stack.url}/o/token/",
        {"grant_type": "client_credentials", "scope": f"{first['name']}:read"},
        auth=(introspection_client.client_id, introspection_client.client_secret),
        timeout=10,
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


def test_discovery_does_not_offer_the_scope(stack):
    document = requests.get(f"{stack.url}/.well-known/oauth-authorization-server", timeout=10)
    assert "introspection" not in document.json()["scopes_supported"]
