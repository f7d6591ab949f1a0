"""What ends with a deactivation, a new password, and with time."""

import io

import pytest
from accounts.models import User
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import call_command
from django.test import Client
from oauth2_provider.models import AccessToken, DeviceGrant, Grant, IDToken
from tests.devices import connect, start_device
from tests.flows import exchange, is_active, refresh

PASSWORD = "correct horse battery staple"


@pytest.fixture
def code(browser):
    """Return a code of Alice that is not used."""
    return browser.consent()["code"]


@pytest.fixture
def tokens(browser):
    """Return the tokens of Alice, who has also connected a device."""
    connect(browser, start_device().json()["user_code"])
    return browser.tokens().json()


def set_password(user):
    user.set_password(PASSWORD)
    user.save()


def remove_password(user):
    user.set_unusable_password()
    user.save()


def set_password_only(user):
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])


def deactivate_and_activate(user):
    for user.is_active in (False, True):
        user.save()


ENDS = [set_password, set_password_only, remove_password, deactivate_and_activate]


@pytest.mark.parametrize("change", ENDS)
def test_it_ends_the_session(browser, alice, change):
    change(alice)
    assert browser.authorize()["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("change", ENDS)
def test_it_ends_access_and_refresh_tokens(tokens, alice, change):
    change(alice)
    assert not is_active(tokens["access_token"])
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("change", ENDS)
def test_it_ends_codes(code, alice, change):
    change(alice)
    assert exchange(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("change", ENDS)
def test_it_leaves_no_rows(tokens, code, alice, change):
    change(alice)
    assert not any(
        model.objects.filter(user=alice).exists()
        for model in (AccessToken, IDToken, Grant, DeviceGrant)
    )


@pytest.mark.parametrize("change", ENDS)
def test_it_ends_nothing_of_others(tokens, bob, change):
    change(bob)
    assert is_active(tokens["access_token"])


def test_the_session_of_the_administration_site_in_which_a_password_was_changed_stays(alice):
    alice.is_staff = alice.is_superuser = True
    alice.set_password(PASSWORD)
    alice.save()
    here, elsewhere = Client(), Client()
    here.force_login(alice)
    elsewhere.force_login(alice)
    new = {"new_password1": "another horse battery", "new_password2": "another horse battery"}
    here.post("/admin/password_change/", {"old_password": PASSWORD} | new)
    assert "Signed in" in here.get("/").text
    assert "Signed in" not in elsewhere.get("/").text


def test_a_better_hash_of_the_same_password_ends_nothing(tokens, browser, alice, monkeypatch):
    User.objects.filter(pk=alice.pk).update(
        password=PBKDF2PasswordHasher().encode(PASSWORD, "salt", 1)
    )
    before = User.objects.get().password
    assert authenticate(email="alice@example.com", password=PASSWORD)
    assert User.objects.get().password != before
    assert is_active(tokens["access_token"])


def test_signing_in_ends_nothing(tokens, browser, alice):
    Client().force_login(alice)
    assert is_active(tokens["access_token"])
    assert browser.authorize().status_code == 200


def test_a_session_of_before_the_migration_stays(browser, alice):
    assert alice.session_salt == ""
    assert browser.authorize().status_code == 200


def test_the_demo_user_with_another_password_is_signed_out(db, monkeypatch):
    call_command("ensure_demo_user", stdout=io.StringIO())
    user = User.objects.get()
    browser = Client()
    browser.force_login(user)
    monkeypatch.setenv("DEMO_PASSWORD", "another horse battery staple 0123")
    call_command("ensure_demo_user", stdout=io.StringIO())
    assert "Signed in" not in browser.get("/").text
