"""Opaque tokens of Canaille are accepted by introspection (RFC 7662)."""

import pytest
from servers import CLIENTS, canaille, create_item, eventually, resource_server, whoami

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def canaille_server(folder):
    with canaille(folder) as server:
        yield server


@pytest.fixture(scope="module")
def orders_of_canaille(project, folder, canaille_server):
    variables = {
        "ISSUERS": "rfc7662",
        "RFC7662_ISSUER": canaille_server.url,
        "RFC7662_URL": f"{canaille_server.url}/oauth/introspect",
        # Canaille puts client ids into `aud`.
        "RFC7662_AUDIENCE": "orders-api",
        "RFC7662_CLIENT_ID": "orders-api",
        "RFC7662_CLIENT_SECRET": CLIENTS["orders-api"],
    }
    with resource_server(project, "orders", folder, **variables) as url:
        yield url


def test_a_token_of_canaille_is_accepted(canaille_server, orders_of_canaille):
    answer = whoami(orders_of_canaille, canaille_server.token("orders:read"))
    members = [answer.json()[name] for name in ("sub", "client_id", "scope", "iss")]
    assert members == ["importer", "importer", "orders:read", canaille_server.url]


def test_a_token_of_canaille_without_the_scope_is_forbidden(canaille_server, orders_of_canaille):
    token = canaille_server.token("orders:read")
    assert create_item(orders_of_canaille, token, "Lamp").status_code == 403


def test_a_token_that_canaille_does_not_know_is_refused(orders_of_canaille):
    assert whoami(orders_of_canaille, "unknown").status_code == 401


def test_a_token_that_was_revoked_at_canaille_is_refused_when_the_cache_expires(
    canaille_server, orders_of_canaille
):
    token = canaille_server.token("orders:read")
    before = whoami(orders_of_canaille, token).status_code
    canaille_server.revoke(token)
    refused = eventually(lambda: whoami(orders_of_canaille, token).status_code == 401)
    assert (before, refused) == (200, True)
