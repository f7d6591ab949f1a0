"""``manage.py ensure_demo_user`` makes the demo user in development and nowhere else."""

import os

import pytest
from accounts.models import User
from django.core.management import CommandError

EMAIL, PASSWORD = os.environ["DEMO_USERNAME"], os.environ["DEMO_PASSWORD"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def demo_user(run):
    """Return the demo user."""
    run("ensure_demo_user")
    return User.objects.get()


def test_the_demo_user_can_sign_in(demo_user, client):
    assert client.login(username=EMAIL, password=PASSWORD)


def test_the_demo_user_is_nobody_special(demo_user):
    assert (demo_user.is_staff, demo_user.is_superuser) == (False, False)


def test_the_second_run_changes_nothing(demo_user, run):
    assert "unchanged" in run("ensure_demo_user")
    assert User.objects.get().password == demo_user.password


def test_a_new_password_is_set(demo_user, run, monkeypatch, client):
    monkeypatch.setenv("DEMO_PASSWORD", PASSWORD[::-1])
    assert "updated" in run("ensure_demo_user")
    assert client.login(username=EMAIL, password=PASSWORD[::-1])


def test_the_password_is_not_printed(run):
    assert PASSWORD not in run("ensure_demo_user")


def test_without_a_name_there_is_none(run, monkeypatch):
    monkeypatch.delenv("DEMO_USERNAME")
    assert "none" in run("ensure_demo_user")
    assert not User.objects.exists()


@pytest.mark.parametrize("password", ["", "change-me", "short"])
def test_a_bad_password_is_refused_without_being_printed(run, monkeypatch, password):
    monkeypatch.setenv("DEMO_PASSWORD", password)
    with pytest.raises(CommandError, match="DEMO_PASSWORD") as raised:
        run("ensure_demo_user")
    assert not password or password == "change-me" or password not in str(raised.value)
    assert not User.objects.exists()


def test_a_name_that_is_no_address_is_refused(run, monkeypatch):
    monkeypatch.setenv("DEMO_USERNAME", "demo")
    with pytest.raises(CommandError, match="DEMO_USERNAME: Enter a valid email"):
        run("ensure_demo_user")


def test_production_has_none(run, settings):
    settings.ENVIRONMENT = "production"
    assert "none" in run("ensure_demo_user")
    assert not User.objects.exists()


def test_production_refuses_to_go_on_with_one(demo_user, run, settings):
    settings.ENVIRONMENT = "production"
    with pytest.raises(CommandError, match="deactivate"):
        run("ensure_demo_user")


def test_production_goes_on_with_one_that_is_deactivated(demo_user, run, settings):
    settings.ENVIRONMENT = "production"
    User.objects.update(is_active=False)
    assert "none" in run("ensure_demo_user")
