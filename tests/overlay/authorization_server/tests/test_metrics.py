"""`/metrics` counts what happened, and needs a token."""

from types import SimpleNamespace

import pytest
from accounts import metrics
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken
from prometheus_client import REGISTRY
from revocation_events.endpoint import as_members
from revocation_events.models import Event
from revocation_events.stream import Entry, News, Position
from tests.flows import basic, exchange, introspect, machine_token, refresh, request_token

pytestmark = pytest.mark.usefixtures("registered")
PREFIX = "authorization_server_"


def samples():
    return {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
    }


@pytest.fixture
def counted(registered):
    """Return a function: by how much a metric has grown since the test began."""
    before = samples()
    return lambda *key: samples().get(key, 0) - before.get(key, 0)


def read(address="127.0.0.1", **headers):
    return Client(REMOTE_ADDR=address).get("/metrics", headers=headers)


def test_prometheus_can_read_it():
    response = read()
    assert "authorization_server_introspection_seconds" in response.text
    assert response["Content-Type"].startswith("text/plain")


def test_it_can_only_be_read():
    assert Client().post("/metrics").status_code == 405


@pytest.mark.parametrize("address", ["10.1.2.3", "1.2.3.4", ""])
def test_without_a_token_no_other_machine_may_see_it(address):
    assert read(address).status_code == 404


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_without_a_token_what_a_proxy_forwards_may_not(header):
    assert read(**{header: "127.0.0.1"}).status_code == 404


def test_without_a_token_it_is_hidden_in_production(settings):
    settings.PRODUCTION = True
    assert read().status_code == 404


@pytest.mark.parametrize(("token", "status"), [("a-token", 200), ("a-tokeñ", 404), ("", 404)])
def test_a_token_decides_at_any_address(settings, token, status):
    settings.METRICS_TOKEN, settings.PRODUCTION = "a-token", True
    assert read("1.2.3.4", Authorization=f"Bearer {token}").status_code == status
    assert read().status_code == 404


def test_it_is_not_redirected_to_https(settings):
    settings.SECURE_SSL_REDIRECT = True
    assert read().status_code == 200


# ---- What is counted ----


def test_an_introspection_is_counted_by_its_caller_and_outcome(counted):
    introspect(machine_token(scope="orders:read"))
    introspect("unknown", "inventory")
    name = "introspection_seconds_count"
    assert (counted(name, "orders", "active"), counted(name, "inventory", "inactive")) == (1, 1)


def test_a_refused_introspection_is_counted_by_its_status(counted):
    introspect("a", headers=basic("orders-introspection", "wrong"))
    assert counted("resource_server_errors_total", "401") == 1


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        ({"grant_type": "client_credentials"}, ("client_credentials", "ok")),
        (
            {"grant_type": "client_credentials", "scope": "no:scope"},
            ("client_credentials", "invalid_scope"),
        ),
        ({"grant_type": "made-up"}, ("", "unsupported_grant_type")),
    ],
)
def test_a_grant_is_counted_by_its_type_and_the_reason_of_its_refusal(counted, data, labels):
    request_token(basic("demo-machine"), **data)
    assert counted("client_request_seconds_count", "token", *labels) == 1


def test_a_code_and_a_refresh_token_that_are_used_twice_are_refusals(counted, browser):
    code = browser.consent()["code"]
    token = exchange(code).json()["refresh_token"]
    refresh(token)
    refresh(token)
    exchange(code)
    name = "client_request_seconds_count"
    grants = "authorization_code", "refresh_token"
    assert [counted(name, "token", grant, "ok") for grant in grants] == [1, 1]
    assert [counted(name, "token", grant, "invalid_grant") for grant in grants] == [1, 1]


def test_a_method_that_is_not_allowed_is_counted_by_its_status(counted):
    Client().get("/o/token/")
    assert counted("client_request_seconds_count", "token", "", "405") == 1


def test_a_sign_in_that_fails_is_counted(counted):
    Client().post("/accounts/login/", {"login": "eve@example.com", "password": "wrong"})
    assert counted("security_events_total", "sign-in-failed") == 1


def test_an_event_is_counted_once_it_is_committed(counted, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        machine_token(scope="orders:read")
        AccessToken.objects.all().delete()
        assert counted("revocation_events_total", "token") == 0
    assert counted("revocation_events_total", "token") == 1


def test_the_age_of_a_delivered_event_is_measured(counted):
    entry = Entry(1, 1, Event.Kind.TOKEN, "a", ("orders",), timezone.now())
    as_members(News([entry], Position("a", "b", 1, 1)))
    as_members(News([], Position("a", "b", 1, 1)))
    assert counted("revocation_event_age_seconds_count") == 1


# ---- Tokens ----


@pytest.fixture
def counts():
    """Return a function that returns the number of tokens, counted anew."""

    def counts():
        cache.clear()
        return read().text.partition("\nauthorization_server_tokens ")[2].partition("\n")[0]

    return counts


def test_tokens_are_counted(counts):
    machine_token(scope="orders:read")
    assert counts() == "1.0"


def test_they_are_not_counted_again_at_once(counts):
    counts()
    machine_token(scope="orders:read")
    assert "authorization_server_tokens 0.0" in read().text


def fail(*arguments, **options):
    raise OperationalError


def test_a_count_that_takes_too_long_is_no_number(counts, monkeypatch):
    monkeypatch.setattr(AccessToken.objects, "filter", fail)
    assert counts() == "NaN"


def test_a_database_that_is_away_leaves_the_other_metrics(counts, monkeypatch):
    monkeypatch.setattr(metrics, "cache", SimpleNamespace(get_or_set=fail, clear=lambda: None))
    assert counts() == "NaN"


@pytest.mark.parametrize("secret", ["alice", "demo-machine", "demo-browser", "wrong-secret"])
def test_it_holds_no_token_no_secret_and_no_name(browser, secret):
    token = browser.tokens().json()["access_token"]
    request_token(basic("demo-machine", "wrong-secret"), grant_type="client_credentials")
    introspect(token)
    text = read().text
    assert secret not in text
    assert token not in text
