"""A client asks how its user signs in (RFC 9470), and learns how that was (RFC 8176)."""

import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY as USER_KEY,
)
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet
from oauth.models import Authentication
from oauth.step_up import PASSKEY, TWO_FACTORS
from oauth2_provider.models import Application, RefreshToken
from tests.flows import introspect, machine_token, parameters_of, refresh

NOW = int(time.time())
PASSWORD = {"method": "password", "at": NOW - 300}
CODE = {"method": "mfa", "type": "totp", "at": NOW - 200}
RECOVERY = {"method": "mfa", "type": "recovery_codes", "at": NOW - 200}
KEY = {"method": "mfa", "type": "webauthn", "at": NOW - 100}
PASSWORDLESS = KEY | {"passwordless": True}
pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def session(browser, alice):
    """Return a function that lets the session of Alice have begun with some steps."""

    def session(*steps):
        stored = browser.session
        stored["auth_time"] = NOW - 400
        stored["account_authentication_methods"] = list(steps)
        stored[USER_KEY] = str(alice.pk)
        stored.save()
        return browser

    return session


@pytest.fixture
def claims(client):
    """Return a function that verifies an ID token with the published keys."""

    def claims(tokens):
        keys = KeySet.import_key_set(client.get("/o/.well-known/jwks.json").json())
        return jwt.decode(tokens.json()["id_token"], keys).claims

    return claims


@pytest.fixture
def secret(alice):
    """Let Alice have an authenticator app, and return its secret."""
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(alice, secret)
    return secret


@pytest.fixture
def key(alice):
    """Let Alice have a passkey."""
    Authenticator.objects.create(user=alice, type="webauthn", data={"name": "Key"})


# ---- What the client learns ----


@pytest.mark.parametrize(
    ("steps", "amr", "acr"),
    [
        ([], None, None),
        ([PASSWORD], ["pwd"], None),
        ([PASSWORD, CODE], ["mfa", "otp", "pwd"], TWO_FACTORS),
        ([PASSWORD, RECOVERY], ["mfa", "otp", "pwd"], TWO_FACTORS),
        ([PASSWORD, KEY], ["mfa", "pop", "pwd"], PASSKEY),
        ([PASSWORDLESS], ["mfa", "pop"], PASSKEY),
        ([{"method": "socialaccount", "at": NOW}], None, None),
    ],
)
def test_an_id_token_says_how_the_user_signed_in(session, claims, steps, amr, acr):
    verified = claims(session(*steps).tokens())
    assert (verified.get("amr"), verified.get("acr")) == (amr, acr)


def test_an_id_token_says_when_the_user_did_last(session, claims):
    assert claims(session(PASSWORD, CODE).tokens())["auth_time"] == CODE["at"]


def test_a_session_without_steps_has_the_time_of_its_sign_in(session, claims):
    assert claims(session().tokens())["auth_time"] == NOW - 400


def test_steps_of_another_person_do_not_count(session, claims, bob):
    browser = session(PASSWORD, CODE)
    stored = browser.session
    stored[USER_KEY] = str(bob.pk)
    stored.save()
    assert "amr" not in claims(browser.tokens())


def test_a_refresh_changes_nothing_of_it(session, claims):
    tokens = session(PASSWORD, CODE).tokens()
    session(PASSWORD, CODE, KEY)
    first, second = claims(tokens), claims(refresh(tokens.json()["refresh_token"]))
    for name in ("auth_time", "amr", "acr"):
        assert first[name] == second[name]


def test_a_resource_server_learns_it_too(session):
    tokens = session(PASSWORD, CODE).tokens().json()
    first = introspect(tokens["access_token"]).json()
    second = introspect(refresh(tokens["refresh_token"]).json()["access_token"]).json()
    for answer in (first, second):
        assert (answer["auth_time"], answer["acr"]) == (CODE["at"], TWO_FACTORS)


def test_a_machine_has_not_signed_in(client):
    answer = introspect(machine_token(scope="orders:read")).json()
    assert {"auth_time", "acr"}.isdisjoint(answer)


def test_the_metadata_name_the_values(client):
    for document in ("oauth-authorization-server", "openid-configuration"):
        values = client.get(f"/.well-known/{document}").json()["acr_values_supported"]
        assert values == [PASSKEY, TWO_FACTORS]


# ---- What the client asks for ----


def next_of(response):
    """Return the page of a redirect, and where it leads afterwards."""
    address = urlsplit(response["Location"])
    return address.path, parse_qs(address.query)["next"][0]


@pytest.mark.parametrize(
    ("steps", "asked", "acr"),
    [
        ([PASSWORD, CODE], TWO_FACTORS, TWO_FACTORS),
        ([PASSWORD, CODE], f"{PASSKEY} {TWO_FACTORS}", TWO_FACTORS),
        ([PASSWORDLESS], TWO_FACTORS, TWO_FACTORS),
        ([PASSWORDLESS], f"{TWO_FACTORS} {PASSKEY}", TWO_FACTORS),
        ([PASSWORDLESS], f"{PASSKEY} {TWO_FACTORS}", PASSKEY),
    ],
)
def test_a_session_that_is_enough_goes_on(session, claims, steps, asked, acr):
    assert claims(session(*steps).tokens(acr_values=asked))["acr"] == acr


def test_the_second_factor_is_asked_for(session, secret):
    browser = session(PASSWORD)
    page = browser.authorize(acr_values=TWO_FACTORS)
    assert next_of(page) == ("/accounts/2fa/reauthenticate/", browser.address)


def test_a_passkey_is_asked_for(session, secret, key):
    page = session(PASSWORD, CODE).authorize(acr_values=PASSKEY)
    assert next_of(page)[0] == "/accounts/2fa/webauthn/reauthenticate/"


def test_a_passkey_is_a_second_factor(session, key):
    page = session(PASSWORD).authorize(acr_values=TWO_FACTORS)
    assert next_of(page)[0] == "/accounts/2fa/webauthn/reauthenticate/"


def test_a_value_that_cannot_be_reached_is_passed_over(session, secret):
    page = session(PASSWORD).authorize(acr_values=f"unknown {PASSKEY} {TWO_FACTORS}")
    assert next_of(page)[0] == "/accounts/2fa/reauthenticate/"


def test_after_the_second_factor_the_request_goes_on(session, secret, claims):
    browser = session(PASSWORD)
    page, address = next_of(browser.authorize(acr_values=TWO_FACTORS))
    code = totp.format_hotp_value(
        totp.hotp_value(secret, next(totp.yield_hotp_counters_from_time()))
    )
    response = browser.post(page, {"code": code, "next": address})
    assert response["Location"] == address
    assert claims(browser.tokens(acr_values=TWO_FACTORS))["acr"] == TWO_FACTORS


def test_opening_the_next_address_does_not_do_instead(session, secret):
    browser = session(PASSWORD)
    _, address = next_of(browser.authorize(acr_values=TWO_FACTORS))
    assert next_of(browser.get(address))[0] == "/accounts/2fa/reauthenticate/"


def test_a_remembered_consent_does_not_do_instead(session, secret):
    Application.objects.filter(client_id="demo-browser").update(client_type="confidential")
    browser = session(PASSWORD)
    browser.consent()
    assert next_of(browser.authorize(acr_values=TWO_FACTORS))[0] == "/accounts/2fa/reauthenticate/"


@pytest.mark.parametrize("asked", [TWO_FACTORS, PASSKEY, f"{PASSKEY} {TWO_FACTORS}", "unknown"])
@pytest.mark.parametrize("prompt", [None, "none"])
def test_somebody_who_cannot_do_it_is_refused(session, asked, prompt):
    response = parameters_of(session(PASSWORD).authorize(acr_values=asked, prompt=prompt))
    assert response["error"] == "unmet_authentication_requirements"
    assert response["state"] == "a-state"
    assert response["iss"] == "http://localhost:8000"


def test_a_code_is_no_passkey(session, secret):
    response = parameters_of(session(PASSWORD, CODE).authorize(acr_values=PASSKEY))
    assert response["error"] == "unmet_authentication_requirements"


def test_nobody_is_asked_with_prompt_none(session, secret):
    response = session(PASSWORD).authorize(acr_values=TWO_FACTORS, prompt="none")
    assert parameters_of(response)["error"] == "login_required"


def test_somebody_without_a_session_signs_in_first(session, secret):
    browser = session(PASSWORD)
    browser.logout()
    assert next_of(browser.authorize(acr_values=TWO_FACTORS))[0] == "/accounts/login/"


@pytest.mark.parametrize(("max_age", "is_enough"), [(150, True), (50, False)])
def test_max_age_counts_from_the_last_step(session, max_age, is_enough):
    step = KEY | {"at": time.time() - 100}
    response = session(PASSWORD, step).authorize(max_age=max_age)
    assert (response.status_code == 200) == is_enough


# ---- Clean-up ----


def test_it_is_deleted_with_the_tokens(session, run):
    session(PASSWORD).tokens()
    Authentication.objects.update(created=timezone.now() - timedelta(hours=2))
    run("clear_tokens")
    assert Authentication.objects.count() == 1
    RefreshToken.objects.all().delete()
    run("clear_tokens")
    assert not Authentication.objects.exists()


def test_it_is_kept_for_a_code_that_is_not_used_yet(session, run):
    session(PASSWORD).consent()
    run("clear_tokens")
    assert Authentication.objects.count() == 1
