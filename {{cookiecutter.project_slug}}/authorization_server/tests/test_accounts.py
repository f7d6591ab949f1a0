"""People: how they sign in, and what ends when their account is deactivated."""

import uuid

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from tests.flows import is_active, refresh

PASSWORD = "correct horse battery staple"


@pytest.fixture
def carol(db):
    """Return a person who has a password."""
    return User.objects.create_user("carol@example.com", PASSWORD, verified=True)


def sign_in(client, email, password=PASSWORD):
    return client.post("/accounts/login/", {"login": email, "password": password})


def test_a_person_is_known_by_a_uuid(alice):
    assert isinstance(alice.pk, uuid.UUID)


@pytest.mark.parametrize("email", ["carol@example.com", "Carol@Example.COM"])
def test_somebody_signs_in_with_an_address_in_any_spelling(client, carol, email):
    assert sign_in(client, email)["Location"] == "/"
    assert "Signed in as <strong>carol@example.com</strong>" in client.get("/").text


def test_a_wrong_password_is_refused(client, carol):
    assert "alert" in sign_in(client, "carol@example.com", "wrong").text


def test_somebody_who_was_deactivated_cannot_sign_in(client, carol):
    User.objects.update(is_active=False)
    assert "alert" in sign_in(client, "carol@example.com").text


def test_somebody_who_was_deactivated_is_signed_out(client, carol):
    client.force_login(carol)
    User.objects.update(is_active=False)
    assert "Signed in" not in client.get("/").text


def test_after_signing_in_one_is_where_one_wanted_to_go(client, carol):
    form = {"login": "carol@example.com", "password": PASSWORD, "next": "/o/device/"}
    assert client.post("/accounts/login/", form)["Location"] == "/o/device/"


def test_nobody_is_sent_to_another_server_after_signing_in(client, carol):
    form = {"login": "carol@example.com", "password": PASSWORD, "next": "https://a.example/"}
    assert client.post("/accounts/login/", form)["Location"] == "/"


def test_the_login_form_needs_a_csrf_token(carol):
    assert sign_in(Client(enforce_csrf_checks=True), "carol@example.com").status_code == 403


def test_cookies_have_names_of_their_own(client, carol):
    client.get("/accounts/login/")
    sign_in(client, "carol@example.com")
    assert set(client.cookies) == {"authorization_server_session", "authorization_server_csrf"}


def test_signing_out_shows_a_page(client, alice):
    client.force_login(alice)
    assert "You are signed out" in client.post("/accounts/logout/", follow=True).text


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@example.com"])
def test_an_address_is_taken_in_any_spelling(alice, email):
    with pytest.raises(ValidationError, match="already exists"):
        User.objects.create_user(email)


def test_an_address_is_stored_in_lower_case(db):
    User.objects.create_user("Dave@Example.com")
    assert User.objects.get().email == "dave@example.com"


@pytest.mark.parametrize("email", ["", "dave"])
def test_an_account_needs_an_address(db, email):
    with pytest.raises((ValidationError, ValueError)):
        User.objects.create_user(email)


def test_an_account_without_a_password_cannot_sign_in(alice):
    assert not alice.has_usable_password()


def test_an_administrator_may_do_everything(db):
    user = User.objects.create_superuser("root@example.com")
    assert user.is_staff
    assert user.has_perm("accounts.delete_user")


@pytest.fixture
def tokens(browser):
    """Return the tokens of Alice."""
    return browser.tokens().json()


def test_nothing_comes_back_with_the_account(tokens, alice):
    for alice.is_active in (False, True):
        alice.save()
    assert not is_active(tokens["access_token"])
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_change_of_the_address_ends_nothing(tokens, alice):
    alice.email = "alice@example.org"
    alice.save()
    assert is_active(tokens["access_token"])
