"""ID tokens, the UserInfo endpoint and signing out (OpenID Connect)."""

import time
from datetime import timedelta

import pytest
from client_registry.models import RegisteredClient
from django.test import Client
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet
from oauth2_provider.models import AccessToken, IDToken
from tests.flows import Browser, bearer, is_active, machine_token, refresh

ALL = "openid profile email orders:read"
pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def claims(client):
    """Return a function that verifies an ID token with the published keys."""

    def claims(id_token):
        keys = KeySet.import_key_set(client.get("/o/.well-known/jwks.json").json())
        return jwt.decode(id_token, keys).claims

    return claims


def userinfo(client, token):
    return client.get("/o/userinfo/", headers=bearer(token))


def test_an_id_token_is_signed_with_a_published_key(browser, alice, claims):
    verified = claims(browser.tokens(nonce="a-nonce").json()["id_token"])
    assert verified["sub"] == str(alice.pk)
    assert verified["iss"] == "http://localhost:8000"
    assert verified["aud"] == "demo-browser"
    assert verified["nonce"] == "a-nonce"


def test_an_id_token_lives_ten_minutes(browser, claims, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    verified = claims(browser.tokens().json()["id_token"])
    assert verified["exp"] == int(now.timestamp()) + 600
    assert int(now.timestamp()) <= verified["iat"] <= time.time()


def test_an_id_token_says_what_the_scopes_allow(browser, claims):
    verified = claims(browser.tokens(scope=ALL).json()["id_token"])
    assert verified["name"] == "Alice"
    assert verified["email"] == "alice@example.com"


def test_an_id_token_says_no_more_than_that(browser, claims):
    verified = claims(browser.tokens().json()["id_token"])
    assert {"name", "email"}.isdisjoint(verified)


@pytest.mark.parametrize("verified", [True, False])
def test_an_id_token_says_whether_the_address_is_verified(browser, claims, alice, verified):
    alice.verify_email()
    alice.emailaddress_set.update(verified=verified)
    assert claims(browser.tokens(scope=ALL).json()["id_token"])["email_verified"] is verified


def test_another_verified_address_is_not_the_one_of_the_account(browser, claims, alice):
    alice.verify_email()
    alice.emailaddress_set.update(email="other@example.com")
    assert claims(browser.tokens(scope=ALL).json()["id_token"])["email_verified"] is False


def test_there_is_no_id_token_without_the_scope_openid(browser):
    assert "id_token" not in browser.tokens(scope="orders:read").json()


def test_only_the_public_key_is_published(client):
    (key,) = client.get("/o/.well-known/jwks.json").json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}


def test_userinfo_says_what_the_scopes_allow(browser, client, alice):
    token = browser.tokens(scope=ALL).json()["access_token"]
    expected = {"sub": str(alice.pk), "name": "Alice", "email": "alice@example.com"}
    assert expected.items() <= userinfo(client, token).json().items()


def test_userinfo_needs_the_scope_openid(browser, client):
    token = browser.tokens(scope="orders:read").json()["access_token"]
    response = userinfo(client, token)
    assert response.status_code == 403
    assert response.json()["error"] == "insufficient_scope"
    assert response["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="openid"'


def test_userinfo_refuses_an_unknown_token_with_a_challenge(client):
    response = userinfo(client, "unknown")
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert response["Content-Type"] == "application/json"


def test_userinfo_refuses_a_token_of_somebody_who_was_deactivated(browser, client, alice):
    token = browser.tokens().json()["access_token"]
    type(alice).objects.update(is_active=False)
    assert userinfo(client, token).status_code == 401


def test_userinfo_refuses_a_token_of_a_client_that_was_switched_off(browser, client):
    token = browser.tokens().json()["access_token"]
    RegisteredClient.objects.update(is_active=False)
    assert userinfo(client, token).status_code == 401


def test_userinfo_refuses_the_token_of_a_machine(client):
    token = machine_token()
    AccessToken.objects.update(scope="openid")
    assert userinfo(client, token).status_code == 401


def test_userinfo_refuses_an_id_token(browser, client):
    assert userinfo(client, browser.tokens().json()["id_token"]).status_code == 401


def test_userinfo_refuses_a_token_in_the_address(browser, client):
    token = browser.tokens().json()["access_token"]
    assert client.get(f"/o/userinfo/?access_token={token}").status_code == 400


def test_signing_out_asks_first(browser):
    page = browser.get("/o/logout/", {"client_id": "demo-browser"})
    assert "Sign out?" in page.text
    assert "Demo browser" in page.text


def test_signing_out_ends_the_session_and_the_tokens(browser):
    tokens = browser.tokens().json()
    browser.post("/o/logout/", {"id_token_hint": tokens["id_token"], "allow": "true"})
    assert browser.authorize()["Location"].startswith("/accounts/login/")
    assert not is_active(tokens["access_token"])
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_signing_out_ends_nothing_of_another_device(browser, alice):
    laptop = Browser()
    laptop.force_login(alice)
    tokens = laptop.tokens().json()
    hint = browser.tokens().json()["id_token"]
    browser.post("/o/logout/", {"id_token_hint": hint, "allow": "true"})
    assert is_active(tokens["access_token"])
    assert laptop.authorize().status_code == 200


def test_signing_out_ends_the_tokens_after_a_refresh(browser):
    tokens = browser.tokens().json()
    new = refresh(tokens["refresh_token"]).json()
    browser.post("/o/logout/", {"id_token_hint": tokens["id_token"], "allow": "true"})
    assert not is_active(new["access_token"])
    assert refresh(new["refresh_token"]).json()["error"] == "invalid_grant"


def test_signing_out_twice_goes_back_to_the_client_twice(browser):
    parameters = {"post_logout_redirect_uri": "http://127.0.0.1:8765/"}
    hints = [browser.tokens().json()["id_token"] for _ in range(2)]
    browser.post("/o/logout/", parameters | {"id_token_hint": hints[0], "allow": "true"})
    for hint in hints:
        response = browser.get("/o/logout/", parameters | {"id_token_hint": hint})
        assert response["Location"] == "http://127.0.0.1:8765/"


def test_an_id_token_that_has_expired_and_was_deleted_is_a_hint(browser):
    hint = browser.tokens().json()["id_token"]
    AccessToken.objects.all().delete()
    IDToken.objects.all().delete()
    assert "Sign out?" in browser.get("/o/logout/", {"id_token_hint": hint}).text


def test_a_client_may_send_the_request_to_sign_out_by_post(browser):
    hint = browser.tokens().json()["id_token"]
    outside = Client(enforce_csrf_checks=True)  # a POST from another site has no cookies
    response = outside.post("/o/logout/", {"id_token_hint": hint, "state": "a-state"})
    assert response.status_code == 303
    assert "Sign out?" in browser.get(response["Location"]).text


def test_signing_out_by_post_without_a_csrf_token_does_not_end_the_session(browser):
    browser.handler.enforce_csrf_checks = True
    assert browser.post("/o/logout/", {"allow": "true"}).status_code == 403
    assert browser.authorize().status_code == 200


def test_signing_out_goes_back_to_the_client(browser):
    response = browser.post(
        "/o/logout/",
        {
            "client_id": "demo-browser",
            "post_logout_redirect_uri": "http://127.0.0.1:8765/",
            "state": "a-state",
            "allow": "true",
        },
    )
    assert response["Location"] == "http://127.0.0.1:8765/?state=a-state"


@pytest.mark.parametrize(
    "parameters",
    [
        {"client_id": "nobody"},
        {"client_id": "demo-browser", "post_logout_redirect_uri": "https://attacker.example/"},
        {"post_logout_redirect_uri": "http://127.0.0.1:8765/"},
        {"id_token_hint": "nonsense"},
        {"id_token_hint": "eyJhbGciOiJSUzI1NiJ9.bm90IGpzb24.c2ln"},  # the payload: not json
        {"id_token_hint": "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOjV9.c2ln"},  # {"aud":5}
        {"id_token_hint": "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJkZW1vLW1hY2hpbmUifQ.c2ln"},
        # {"alg":"none"} and {"alg":"RS256"}, {"aud":"demo-browser"}, no or a wrong signature
        {"id_token_hint": "eyJhbGciOiJub25lIn0.eyJhdWQiOiJkZW1vLWJyb3dzZXIifQ."},
        {"id_token_hint": "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJkZW1vLWJyb3dzZXIifQ.c2ln"},
    ],
)
def test_signing_out_is_refused(browser, parameters):
    response = browser.get("/o/logout/", parameters)
    assert response.status_code == 400
    assert "Signing out did not work" in response.text


def test_an_id_token_of_another_client_is_refused(browser):
    hint = browser.tokens().json()["id_token"]
    parameters = {"id_token_hint": hint, "client_id": "demo-device"}
    assert browser.get("/o/logout/", parameters).status_code == 400


def test_signing_out_sends_nobody_to_a_client_that_is_switched_off(browser):
    tokens = browser.tokens().json()
    RegisteredClient.objects.filter(name="demo-browser").update(is_active=False)
    for parameters in ({"client_id": "demo-browser"}, {"id_token_hint": tokens["id_token"]}):
        assert browser.get("/o/logout/", parameters).status_code == 400


def test_an_id_token_says_when_the_person_signed_in(browser, claims):
    verified = claims(browser.tokens().json()["id_token"])
    assert verified["auth_time"] == int(browser.session["auth_time"])
    assert IDToken.objects.count() == 1


def test_a_sign_in_on_another_device_is_not_the_time_in_the_id_token(browser, alice, claims):
    type(alice).objects.update(last_login=timezone.now() + timedelta(hours=1))
    verified = claims(browser.tokens().json()["id_token"])
    assert verified["auth_time"] == int(browser.session["auth_time"])


def test_a_client_cannot_set_the_time_by_the_parameter_claims(browser, claims):
    asked = '{"auth_time": 1}'
    old = browser.tokens(claims=asked).json()
    new = refresh(old["refresh_token"], claims=asked).json()
    for tokens in (old, new):
        assert claims(tokens["id_token"])["auth_time"] == int(browser.session["auth_time"])
