"""Each security event is one line in the log, with address and ids and without secrets."""

import json
import logging

import pytest
from accounts.models import User
from django.test import Client
from tests.flows import (
    basic,
    exchange,
    machine_token,
    poll,
    post_form,
    refresh,
    request_token,
    start_device,
)

PASSWORD = "correct horse battery staple"
LOGIN = "/accounts/login/"


@pytest.fixture
def events(caplog, registered):
    """Return a function that returns the events since its last call, without their addresses."""

    def events():
        found = []
        for record in caplog.records:
            if record.name == "security":
                name, *fields = record.getMessage().split(" ")
                values = dict(field.split("=") for field in fields)
                assert record.event == name
                assert {key: getattr(record, key) for key in values} == values
                assert values.pop("address") == "127.0.0.1"
                found.append((name, values))
        caplog.clear()
        return found

    caplog.set_level(logging.INFO, "security")
    return events


@pytest.fixture
def carol(registered):
    """Return a person with a password."""
    return User.objects.create_user("carol@example.com", PASSWORD, verified=True)


def sign_in(password=PASSWORD, username="carol@example.com", **options):
    browser = Client(**options)
    browser.post(LOGIN, {"login": username, "password": password})
    return browser


def of(user, client="demo-browser", scope="openid,orders:read"):
    """Return the fields of an event of `user` and a client."""
    return {"user": str(user.pk), "client": client, "scope": scope}


# ---- People ----


def test_a_sign_in_and_a_sign_out(carol, events):
    sign_in().post("/accounts/logout/")
    fields = {"user": str(carol.pk)}
    assert events() == [("sign-in", fields), ("sign-out", fields)]


def test_a_wrong_password(carol, events):
    sign_in("wrong")
    assert events() == [("sign-in-failed", {"user": str(carol.pk)})]


@pytest.mark.parametrize(
    "username", ["dave@example.com", "user=root event=sign-in", "\0", PASSWORD]
)
def test_an_unknown_account_is_not_named(carol, events, username):
    sign_in(username=username)
    assert events() in ([("sign-in-failed", {"user": "-"})], [])


def test_too_many_attempts(carol, events):
    for _ in range(11):
        sign_in("wrong")
    failure, *_, last = events()
    assert (failure[0], last) == ("sign-in-failed", ("sign-in-limited", {"user": str(carol.pk)}))


def test_a_sign_out_of_a_client(browser, alice, events):
    page = browser.get("/o/logout/")
    browser.address = "/o/logout/"
    browser.send_form(page, allow="true")
    assert events() == [("sign-out", {"user": str(alice.pk)})]


# ---- Consent ----


def test_consent_that_is_given(browser, alice, events):
    browser.consent()
    assert events() == [("consent-given", of(alice))]


def test_consent_that_is_denied(browser, alice, events):
    browser.send_form(browser.authorize())
    assert events() == [("consent-denied", of(alice))]


@pytest.mark.parametrize(
    ("action", "event"), [("accept", "consent-given"), ("deny", "consent-denied")]
)
def test_consent_for_a_device(browser, alice, events, action, event):
    browser.connect(start_device().json()["user_code"], action)
    assert events() == [(event, of(alice, "demo-device", "orders:read"))]


def test_consent_ends_with_the_account(browser, alice, events, caplog):
    browser.tokens()
    events()
    alice.is_active = False
    for _ in range(2):  # The second time there is nothing left.
        alice.save()
    messages = [record.getMessage() for record in caplog.records if record.name == "security"]
    assert messages == [f"consent-withdrawn address=- user={alice.pk}"]


# ---- Tokens ----


def test_a_token_for_a_code(browser, alice, events):
    browser.tokens()
    assert events()[1:] == [("token-issued", of(alice))]


def test_a_token_for_a_device(browser, alice, events):
    device = start_device().json()
    browser.connect(device["user_code"])
    poll(device["device_code"])
    assert events()[1:] == [("token-issued", of(alice, "demo-device", "orders:read"))]


def test_a_token_of_a_machine(events):
    machine_token(scope="orders:read")
    fields = {"user": "-", "client": "demo-machine", "scope": "orders:read"}
    assert events() == [("token-issued", fields)]


def test_a_refresh(browser, alice, events):
    tokens = browser.tokens().json()
    events()
    refresh(tokens["refresh_token"])
    assert events() == [("token-refreshed", of(alice))]


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_revocation(browser, alice, events, kind):
    tokens = browser.tokens().json()
    events()
    post_form("/o/revoke_token/", {"token": tokens[kind], "client_id": "demo-browser"})
    fields = {"user": str(alice.pk), "client": "demo-browser"}
    assert events() == [("token-revoked", fields)]


def test_a_refresh_token_that_is_used_again(browser, alice, events):
    tokens = browser.tokens().json()
    refresh(refresh(tokens["refresh_token"]).json()["refresh_token"])
    events()
    refresh(tokens["refresh_token"])
    assert events() == [("token-reused", {"user": str(alice.pk), "client": "demo-browser"})]


def test_a_refresh_token_that_is_used_twice_at_once(browser, events):
    tokens = browser.tokens().json()
    refresh(tokens["refresh_token"])
    events()
    refresh(tokens["refresh_token"])
    assert events() == []


def test_a_code_that_is_used_again(browser, alice, events):
    code = browser.consent()["code"]
    exchange(code)
    events()
    exchange(code)
    assert events() == [("token-reused", {"user": str(alice.pk), "client": "demo-browser"})]


@pytest.mark.parametrize("send", [refresh, exchange])
def test_an_unknown_code_or_token_is_not_used_again(browser, events, send):
    send("unknown")
    assert events() == []


def test_an_unknown_token_is_not_revoked(events):
    post_form("/o/revoke_token/", {"token": "unknown", "client_id": "demo-browser"})
    assert events() == []


# ---- Clients ----


@pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/"])
def test_a_client_with_a_wrong_secret(events, path):
    data = {"grant_type": "client_credentials", "token": "unknown"}
    post_form(path, data, basic("demo-machine", "wrong"))
    fields = {"client": "demo-machine", "endpoint": path}
    assert events() == [("client-refused", fields)]


def test_a_client_that_is_unknown(events):
    exchange("code", client_id="nobody")
    fields = {"client": "nobody", "endpoint": "/o/token/"}
    assert events() == [("client-refused", fields)]


def test_a_client_id_cannot_forge_a_field(events):
    request_token(
        grant_type="client_credentials", client_id="x\nuser=root é", client_secret="wrong"
    )
    fields = {"client": "x?user?root,?", "endpoint": "/o/token/"}
    assert events() == [("client-refused", fields)]


# ---- All of them ----


def test_the_address_is_that_of_the_sender(carol, settings, caplog):
    settings.TRUST_PROXY_HEADERS = True
    sign_in(HTTP_X_FORWARDED_FOR="1.1.1.1, [2001:db8::7]:4001")
    [record] = [record for record in caplog.records if record.name == "security"]
    assert record.address == "2001:db8::7"


def test_no_event_shows_a_secret(browser, carol, caplog):
    sign_in("another wrong password", username=PASSWORD)
    sign_in()
    tokens = browser.tokens().json()
    new = refresh(tokens["refresh_token"]).json()
    exchange("a-code-of-an-attack", client_secret="a-secret-of-an-attack")
    written = json.dumps([record.__dict__ for record in caplog.records], default=str)
    secrets = [PASSWORD, "another wrong", "of-an-attack", "carol@example.com"]
    secrets += [each[kind] for each in (tokens, new) for kind in ("access_token", "refresh_token")]
    assert [secret for secret in secrets if secret in written] == []
