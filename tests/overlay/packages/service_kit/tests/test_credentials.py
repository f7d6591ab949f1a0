"""The age of credentials is known by their date, and an overdue rotation is reported."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.checks import run_checks
from prometheus_client import REGISTRY
from service_kit import credentials

DUE = "service_credential_due_timestamp_seconds"


def secret(days):
    """Return a secret that was made that many days ago, as init_env.py makes it."""
    return f"{datetime.now(UTC) - timedelta(days=days):%Y%m%d}-{'x' * 64}"


@pytest.fixture
def give(settings):
    """Return a function that sets a credential and the maximum age, and returns the warnings."""

    def give(value, days=180):
        settings.CREDENTIALS = {"ORDERS_DATABASE_URL": lambda: value}
        settings.CREDENTIAL_MAX_AGE_DAYS = days
        return [message.msg for message in run_checks(tags=["credentials"])]

    return give


FORMS = {
    "a secret": "{}",
    "a URL": "postgres://orders:{}@postgres:5432/orders",
    "two URLs in a rotation": "redis://orders:{}@valkey:6379/0\nredis://orders:old@valkey:6379/0",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_overdue_credential_is_named(give, form):
    [message] = give(form.format(secret(200)))
    assert message.startswith("ORDERS_DATABASE_URL is older than CREDENTIAL_MAX_AGE_DAYS")
    assert "xxx" not in message


def test_the_file_of_a_key_begins_with_its_date(give):
    assert len(give("2026-01-01\n-----BEGIN PRIVATE KEY-----\n", days=30)) == 1


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_credential_that_is_not_old_is_right(give, form):
    assert give(form.format(secret(179))) == []


@pytest.mark.parametrize(
    "value", ["", "x" * 43, "20261399-" + "x" * 64, "postgres://me:secret@db:5432/x"]
)
def test_the_age_of_another_credential_is_not_known(give, value):
    assert give(value, days=1) == []


def test_zero_days_turn_the_warnings_off(give):
    assert give(secret(9999), days=0) == []


def test_a_file_that_cannot_be_read_is_not_reported_here(settings):
    def read():
        raise OSError

    settings.CREDENTIALS, settings.CREDENTIAL_MAX_AGE_DAYS = {"ORDERS_CACHE_URL": read}, 1
    assert run_checks(tags=["credentials"]) == []


def test_the_metric_has_the_time_of_now(give):
    for days in (200, 0):
        give(secret(days))
        credentials.measure(environ={"PATH_INFO": "/metrics"})
    found = REGISTRY.get_sample_value(DUE, {"credential": "ORDERS_DATABASE_URL"})
    assert 179 * 86400 < found - time.time() <= 180 * 86400


def test_other_requests_measure_nothing(give):
    give("x")
    before = REGISTRY.get_sample_value(DUE, {"credential": "ORDERS_DATABASE_URL"})
    give(secret(100))
    credentials.measure(environ={"PATH_INFO": "/api/ping/"})
    assert REGISTRY.get_sample_value(DUE, {"credential": "ORDERS_DATABASE_URL"}) == before
