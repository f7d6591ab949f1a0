"""People, consent and tokens: each event is one line of JSON, with address and without secrets."""

import json

import pytest
from accounts.models import User
from django.test import Client
from tests.devices import connect, poll, start_device
from tests.flows import exchange, machine_token, post_form, refresh

pytest_plugins = ["tests.recorded"]

PASSWORD = "correct horse battery staple"
LOGIN = "/accounts/login/"


@pytest.fixture
def carol(registered):
    """Return a person with a password."""
    return User.objects.create_user("carol@example.com", PASSWORD, verified=True)


def sign_in(password=PASSWORD, username="carol@example.com", **options):
    browser = Client(**options)
    browser.post(LOGIN, {"login": username, "password": password})
    return browser


def of(user, client_id="demo-browser", scope="openid orders:read"):
    """Return the members of an event of `user` and a client."""
    return {"sub": str(user.pk), "client_id": client_id, "scope": scope}


# ---- People ----


def test_a_sign_in_and_a_sign_out(carol, events):
    sign_in().post("/accounts/logout/")
    members = {"sub": str(carol.pk)}
    assert events() == [("sign-in", "ok", members), ("sign-out", "ok", members)]


def test_a_wrong_password(carol, events):
    sign_in("wrong")
    assert events() == [("sign-in-failed", "wrong_credentials", {"sub": str(carol.pk)})]


@pytest.mark.parametrize(
    "username", ["dave@example.com", "user=root event=sign-in", "\0", PASSWORD]
)
def test_an_unknown_account_is_not_named(carol, events, username):
    sign_in(username=username)
    assert events() in ([("sign-in-failed", "wrong_credentials", {})], [])


def test_too_many_attempts(carol, events):
    for _ in range(11):
        sign_in("wrong")
    failure, *_, last = events()
    assert failure[0] == "sign-in-failed"
    assert last == ("sign-in-limited", "rate_limited", {"sub": str(carol.pk)})


def test_a_sign_out_of_a_client(browser, alice, events):
    page = browser.get("/o/logout/")
    browser.address = "/o/logout/"
    browser.send_form(page, allow="true")
    assert events() == [("sign-out", "ok", {"sub": str(alice.pk)})]


# ---- Consent ----


def test_consent_that_is_given(browser, alice, events):
    browser.consent()
    assert events() == [("consent-given", "ok", of(alice))]


def test_consent_that_is_denied(browser, alice, events):
    browser.send_form(browser.authorize())
    assert events() == [("consent-denied", "access_denied", of(alice))]


@pytest.mark.parametrize(
    ("action", "event", "outcome"),
    [("accept", "consent-given", "ok"), ("deny", "consent-denied", "access_denied")],
)
def test_consent_for_a_device(browser, alice, events, action, event, outcome):
    connect(browser, start_device().json()["user_code"], action)
    assert events() == [(event, outcome, of(alice, "demo-device", "orders:read"))]


def test_consent_ends_with_the_account(browser, alice, events, caplog):
    browser.tokens()
    events()
    alice.is_active = False
    for _ in range(2):  # The second time there is nothing left.
        alice.save()
    (line,) = [r.msg for r in caplog.records if r.name == "security"]
    assert (line["event"], line["sub"]) == ("consent-withdrawn", str(alice.pk))


def test_an_event_is_plain_text_for_people(browser, alice, events, caplog):
    browser.send_form(browser.authorize())
    (line,) = [record.getMessage() for record in caplog.records if record.name == "security"]
    assert line.startswith(f"event=consent-denied outcome=access_denied sub={alice.pk} client_id=")


# ---- Tokens ----


def test_a_token_for_a_code(browser, alice, events):
    browser.tokens()
    assert events()[1:] == [("token-issued", "ok", of(alice))]


def test_a_token_for_a_device(browser, alice, events):
    device = start_device().json()
    connect(browser, device["user_code"])
    poll(device["device_code"])
    assert events()[1:] == [("token-issued", "ok", of(alice, "demo-device", "orders:read"))]


def test_a_token_of_a_machine(events):
    machine_token(scope="orders:read")
    members = {"client_id": "demo-machine", "scope": "orders:read"}
    assert events() == [("token-issued", "ok", members)]


def test_a_refresh(browser, alice, events):
    tokens = browser.tokens().json()
    events()
    refresh(tokens["refresh_token"])
    assert events() == [("token-refreshed", "ok", of(alice))]


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_revocation(browser, alice, events, kind):
    tokens = browser.tokens().json()
    events()
    post_form("/o/revoke_token/", {"token": tokens[kind], "client_id": "demo-browser"})
    members = {"sub": str(alice.pk), "client_id": "demo-browser"}
    assert events() == [("token-revoked", "ok", members)]


def of_the_request(grant_type):
    """Return the members of a refused request at the token endpoint."""
    return {"client_id": "demo-browser", "endpoint": "/o/token/", "grant_type": grant_type}


def test_a_refresh_token_that_is_used_again(browser, alice, events):
    tokens = browser.tokens().json()
    refresh(refresh(tokens["refresh_token"]).json()["refresh_token"])
    events()
    refresh(tokens["refresh_token"])
    members = {"sub": str(alice.pk), **of_the_request("refresh_token")}
    assert events() == [("token-reused", "invalid_grant", members)]


def test_a_refresh_token_that_is_used_twice_at_once(browser, events):
    tokens = browser.tokens().json()
    refresh(tokens["refresh_token"])
    events()
    refresh(tokens["refresh_token"])
    assert [name for name, *_ in events()] == ["request-refused"]


def test_a_code_that_is_used_again(browser, alice, events):
    code = browser.consent()["code"]
    exchange(code)
    events()
    exchange(code)
    members = {"sub": str(alice.pk), **of_the_request("authorization_code")}
    assert events() == [("token-reused", "invalid_grant", members)]


@pytest.mark.parametrize(
    ("send", "grant_type"), [(refresh, "refresh_token"), (exchange, "authorization_code")]
)
def test_an_unknown_code_or_token_is_refused(browser, events, send, grant_type):
    send("unknown")
    assert events() == [("request-refused", "invalid_grant", of_the_request(grant_type))]


def test_an_unknown_token_is_not_revoked(events):
    post_form("/o/revoke_token/", {"token": "unknown", "client_id": "demo-browser"})
    assert events() == []


# ---- All of them ----


def test_the_address_is_that_of_the_sender(carol, settings, commit_at_once, caplog):
    settings.TRUST_PROXY_HEADERS = True
    sign_in(HTTP_X_FORWARDED_FOR="1.1.1.1, [2001:db8::7]:4001")
    [record] = [record for record in caplog.records if record.name == "security"]
    assert record.msg["address"] == "2001:db8::7"


def test_no_event_shows_a_secret(browser, carol, commit_at_once, caplog):
    sign_in("another wrong password", username=PASSWORD)
    sign_in()
    tokens = browser.tokens().json()
    new = refresh(tokens["refresh_token"]).json()
    exchange("a-code-of-an-attack", client_secret="a-secret-of-an-attack")
    written = json.dumps([record.__dict__ for record in caplog.records], default=str)
    secrets = [PASSWORD, "another wrong", "of-an-attack", "carol@example.com"]
    secrets += [each[kind] for each in (tokens, new) for kind in ("access_token", "refresh_token")]
    assert [secret for secret in secrets if secret in written] == []
