"""`ClientRateThrottle` counts by client. The rate in these tests is two a day."""

import pytest
from django.core.cache import cache

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_request_was_counted():
    cache.clear()


def statuses(client, times, view="throttled"):
    return [client.get(f"/{view}/").status_code for _ in range(times)]


def test_a_client_is_limited(alice):
    assert statuses(alice, 3) == [200, 200, 429]


def test_another_client_at_the_same_address_is_not(alice, machine):
    statuses(alice, 3)
    assert statuses(machine, 1) == [200]


def test_another_token_of_the_same_client_is(authorization_server, alice, client_with):
    statuses(alice, 3)
    assert statuses(client_with(authorization_server.issue("bob", sub="bob-uuid")), 1) == [429]


def test_a_client_whose_id_is_no_key_is_limited(authorization_server, client_with):
    client = client_with(authorization_server.issue("x", client_id="https://a b/" + "x" * 300))
    assert statuses(client, 3) == [200, 200, 429]


def test_a_request_without_a_token_counts_by_address(anonymous):
    assert statuses(anonymous, 3, view="throttled-open") == [200, 200, 429]


def test_a_client_that_is_called_like_an_address_is_somebody_else(
    anonymous, authorization_server, client_with
):
    statuses(anonymous, 3, view="throttled-open")
    client = client_with(authorization_server.issue("x", client_id="127.0.0.1"))
    assert statuses(client, 1, view="throttled-open") == [200]
