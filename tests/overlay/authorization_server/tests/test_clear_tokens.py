"""What has expired is deleted, and what can still be of use is not."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone
from oauth2_provider.models import AccessToken, DeviceGrant, Grant, RefreshToken
from revocation_events.management.commands import clear_tokens
from revocation_events.models import Event
from tests.devices import start_device
from tests.flows import is_active, machine_token

YESTERDAY = timezone.now() - timedelta(days=1)


@pytest.fixture(autouse=True)
def no_pause(settings):
    """Remove the pause between batches."""
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {
        "CLEAR_EXPIRED_TOKENS_BATCH_SIZE": 2,
        "CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL": 0,
    }


def test_expired_tokens_are_deleted_in_batches(registered):
    for _ in range(5):
        machine_token(scope="orders:read")
    AccessToken.objects.update(expires=YESTERDAY)
    call_command("clear_tokens")
    assert not AccessToken.objects.exists()


def test_events_are_deleted_with_the_tokens_they_are_about(registered):
    for scope in "orders:read", "inventory:read":
        machine_token(scope=scope)
    AccessToken.objects.all().delete()
    old, new = Event.objects.filter(kind=Event.Kind.TOKEN)
    Event.objects.filter(pk=old.pk).update(expires=YESTERDAY)
    call_command("clear_tokens")
    assert list(Event.objects.filter(kind=Event.Kind.TOKEN)) == [new]


def test_a_token_that_lives_is_kept(registered):
    token = machine_token(scope="orders:read")
    call_command("clear_tokens")
    assert is_active(token)


def test_a_token_whose_refresh_token_lives_is_kept(browser):
    browser.tokens()
    AccessToken.objects.update(expires=YESTERDAY)
    call_command("clear_tokens")
    assert (AccessToken.objects.count(), RefreshToken.objects.count()) == (1, 1)


def test_expired_authorization_codes_are_deleted(browser):
    browser.consent()
    Grant.objects.update(expires=YESTERDAY)
    call_command("clear_tokens")
    assert not Grant.objects.exists()


def test_expired_device_codes_are_deleted_in_batches(registered):
    for _ in range(5):
        start_device()
    DeviceGrant.objects.update(expires=YESTERDAY)
    call_command("clear_tokens")
    assert not DeviceGrant.objects.exists()


def test_a_device_code_that_lives_is_kept(registered):
    start_device()
    call_command("clear_tokens")
    assert DeviceGrant.objects.exists()


def test_expired_sessions_are_deleted(browser):
    Session.objects.update(expire_date=YESTERDAY)
    call_command("clear_tokens")
    assert not Session.objects.exists()


def test_a_session_that_lives_is_kept(browser):
    call_command("clear_tokens")
    assert browser.authorize().status_code == 200


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_a_second_run_at_the_same_time_deletes_nothing(registered):
    machine_token(scope="orders:read")
    AccessToken.objects.update(expires=YESTERDAY)
    with clear_tokens.alone() as is_alone:
        call_command("clear_tokens")
        assert (is_alone, AccessToken.objects.count()) == (True, 1)
    call_command("clear_tokens")
    assert not AccessToken.objects.exists()


def test_one_line_says_so(registered, caplog):
    caplog.set_level("INFO", "clear_tokens")
    call_command("clear_tokens")
    assert [record.levelname for record in caplog.records if record.name == "clear_tokens"] == [
        "INFO"
    ]


def test_a_database_that_is_away_is_one_line(db, monkeypatch):
    def delete_expired():
        raise OperationalError("no\nconnection")

    monkeypatch.setattr(clear_tokens, "delete_expired", delete_expired)
    with pytest.raises(CommandError, match=r"^The database failed: no connection$"):
        call_command("clear_tokens")
