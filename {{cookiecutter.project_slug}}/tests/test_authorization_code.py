"""The authorization code flow with PKCE, by Authlib and a browser that keeps cookies."""

import time

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from browser import parameters
from conftest import REDIRECT_URI
from joserfc import jwt
from joserfc.jwk import KeySet

SWITCH = """
from accounts.models import User
user = User.objects.get(email="{}")
user.is_active = {}
user.save()
"""


@pytest.fixture
def scope(first):
    return f"openid {first['name']}:read"


def test_a_person_who_logs_in_and_consents_gets_a_token_that_the_api_accepts(
    stack, sign_in, get, first, scope
):
    _, token = sign_in(scope)
    assert get(stack.api(first["name"]), token["access_token"]).status_code == 200


def test_the_person_is_the_same_sub_at_every_resource_server(stack, sign_in, get, first, second):
    _, token = sign_in(f"openid {first['name']}:read {second['name']}:read")
    answers = [
        get(stack.api(manifest["name"]), token["access_token"]).json()["sub"]
        for manifest in (first, second)
    ]
    assert answers[0] == answers[1]


def test_the_id_token_is_signed_with_a_published_key_and_names_the_same_sub(
    stack, sign_in, get, first, scope
):
    _, token = sign_in(scope)
    discovery = requests.get(f"{stack.url}/.well-known/openid-configuration", timeout=10).json()
    keys = KeySet.import_key_set(requests.get(discovery["jwks_uri"], timeout=10).json())
    claims = jwt.decode(token["id_token"], keys).claims
    who = get(stack.api(first["name"]), token["access_token"]).json()
    assert (claims["sub"], claims["iss"]) == (who["sub"], stack.url)


@pytest.fixture
def ask(stack, browser, scope):
    """Return a function that sends an authorization request and logs in, up to the consent page.

    It returns the redirect to the client, if there is one already.
    """

    def ask(redirect_uri=REDIRECT_URI, method="S256"):
        client = stack.client(
            "DEMO_BROWSER", scope=scope, redirect_uri=redirect_uri, code_challenge_method=method
        )
        verifier = {"code_verifier": "v" * 43} if method else {}
        url, _ = client.create_authorization_url(f"{stack.url}/o/authorize/", **verifier)
        return browser.open(url) or browser.log_in(
            stack.env["DEMO_USERNAME"], stack.env["DEMO_PASSWORD"]
        )

    return ask


def test_the_consent_page_shows_what_the_scopes_mean(ask, browser, first):
    ask()
    assert first["scopes"][f"{first['name']}:read"] in browser.page.text


def test_a_person_who_cancels_is_sent_back_with_access_denied(ask, browser):
    ask()
    assert parameters(browser.submit())["error"] == "access_denied"


def test_an_authorization_request_without_pkce_is_refused(ask):
    assert parameters(ask(method=None))["error"] == "invalid_request"


def test_a_redirect_uri_that_is_not_declared_is_not_followed(ask, browser):
    assert (ask("https://attacker.example.com/"), browser.page.status_code) == (None, 400)


def test_a_wrong_password_does_not_log_in(stack, browser):
    browser.open(f"{stack.url}/accounts/login/")
    browser.log_in(stack.env["DEMO_USERNAME"], "wrong")
    assert "Sign in" in browser.page.text


def test_a_refreshed_token_is_accepted(stack, sign_in, get, first, scope):
    client, token = sign_in(scope)
    fresh = client.refresh_token(f"{stack.url}/o/token/", token["refresh_token"])
    assert get(stack.api(first["name"]), fresh["access_token"]).status_code == 200


def test_a_refresh_token_that_is_used_twice_ends_the_whole_session(stack, sign_in, scope):
    client, token = sign_in(scope)
    fresh = client.refresh_token(f"{stack.url}/o/token/", token["refresh_token"])
    with pytest.raises(OAuthError, match="invalid_grant"):
        client.refresh_token(f"{stack.url}/o/token/", token["refresh_token"])
    with pytest.raises(OAuthError, match="invalid_grant"):
        client.refresh_token(f"{stack.url}/o/token/", fresh["refresh_token"])


def test_the_tokens_of_a_person_who_is_deactivated_stop_working(stack, sign_in, get, first, scope):
    _, token = sign_in(scope)
    url = stack.api(first["name"])
    assert get(url, token["access_token"]).status_code == 200
    email = stack.env["DEMO_USERNAME"]
    stack.manage("shell", "-c", SWITCH.format(email, False))
    try:
        assert eventually_refused(lambda: get(url, token["access_token"]))
    finally:
        stack.manage("shell", "-c", SWITCH.format(email, True))


def eventually_refused(ask):
    """Return whether `ask` gets 401 long before the token expires, on a busy machine, too."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if ask().status_code == 401:
            return True
        time.sleep(0.1)
    return False
