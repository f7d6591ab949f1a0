"""`/metrics` exposes what happened, to permitted addresses."""

import pytest
from django.test import Client
from oauth_resource_server.errors import TokenValidationError
from oauth_resource_server.metrics import breaker_state
from prometheus_client import REGISTRY

pytestmark = pytest.mark.django_db
VIEW = "/default/"
OUTCOMES = "oauth_resource_server_outcomes_total"


@pytest.fixture
def counted():
    """Return a function: how much a metric has grown since the test began."""
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
    }

    def counted(name, *labels):
        [value] = [
            sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == f"oauth_resource_server_{name}"
            and tuple(sample.labels.values()) == labels
        ] or [0]
        return value - samples.get((f"oauth_resource_server_{name}", labels), 0)

    return counted


def metrics(address="127.0.0.1", **headers):
    return Client(REMOTE_ADDR=address).get("/metrics", headers=headers)


def test_prometheus_can_read_it():
    assert b"oauth_resource_server_cache_misses_total" in metrics().content


def test_every_outcome_is_there_before_the_first_of_it():
    classes = [TokenValidationError]
    for each in classes:
        classes += each.__subclasses__()
    names = {"active", "inactive", *(each.__name__ for each in classes[1:])}
    values = [REGISTRY.get_sample_value(OUTCOMES, {"outcome": name}) for name in names]
    assert None not in values


def test_the_circuit_of_a_process_that_has_ended_is_forgotten():
    assert breaker_state._multiprocess_mode == "livemax"


def test_it_can_only_be_read():
    assert Client().post("/metrics").status_code == 405


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "1.2.3.4", ""])
def test_by_default_it_is_hidden(configure, address):
    configure(METRICS_NETWORKS=())
    assert metrics(address).status_code == 404


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "::ffff:10.0.0.1"])
def test_permitted_networks_may_see_it(address):
    assert metrics(address).status_code == 200


@pytest.mark.parametrize("address", ["1.2.3.4", "11.0.0.1", "2001:db8::1", "::ffff:1.2.3.4", ""])
def test_others_may_not(address):
    assert metrics(address).status_code == 404


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"]
)
def test_what_a_proxy_forwards_may_not(header):
    assert metrics(**{header: "127.0.0.1"}).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-For": "1.2.3.4"}])
def test_a_token_is_enough_at_any_address(configure, headers):
    configure(METRICS_TOKEN="s3cret")
    assert metrics("1.2.3.4", Authorization="Bearer s3cret", **headers).status_code == 200


@pytest.mark.parametrize("header", ["", "s3cret", "Bearer s3cre", "Bearer s3crét", "Bearer "])
def test_no_address_is_enough_if_there_is_a_token(configure, header):
    configure(METRICS_TOKEN="s3cret")
    assert metrics(Authorization=header).status_code == 404


def test_a_first_use_is_a_miss(alice, counted):
    alice.get(VIEW)
    assert counted("cache_misses_total") == counted("outcomes_total", "active") == 1


def test_every_hit_is_counted(alice, counted):
    for _ in range(3):
        alice.get(VIEW)
    assert counted("cache_hits_total", "active") == 2


def test_an_inactive_token_is_counted(configure, client_with, counted):
    configure(INACTIVE_CACHING_SECONDS=60)
    client_with("unknown").get(VIEW)
    client_with("unknown").get(VIEW)
    assert counted("cache_hits_total", "inactive") == 1
    assert counted("outcomes_total", "inactive") == 2


def test_an_error_is_counted_by_its_name(authorization_server, client_with, counted):
    authorization_server.answer_with(500)
    client_with("some-token").get(VIEW)
    assert counted("outcomes_total", "AuthorizationServerUnavailable") == 1


def test_an_introspection_has_a_latency(alice, counted):
    alice.get(VIEW)
    assert counted("seconds_count", "authorization_server") == 1


def test_use_in_an_outage_is_counted(authorization_server, configure, alice, counted):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0, STALE_IF_ERROR_SECONDS=60)
    alice.get(VIEW)
    authorization_server.answer_with(500)
    alice.get(VIEW)
    assert counted("cache_hits_total", "stale") == 1


@pytest.mark.parametrize("secret", ["alice-token", "s3cret", "alice-uuid", "shop", "orders:"])
def test_it_holds_no_token_no_secret_and_no_name(alice, secret):
    alice.get(VIEW)
    assert secret not in metrics().content.decode()
