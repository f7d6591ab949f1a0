"""The authorization code flow with PKCE, by Authlib and a browser that keeps cookies."""

import subprocess
import sys

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from browser import parameters
from conftest import ROOT, until
from joserfc import jwt
from joserfc.jwk import KeySet


@pytest.fixture
def scope(first):
    return f"openid {first['name']}:read"


def test_a_person_who_logs_in_and_consents_gets_a_token_that_the_api_accepts(
    stack, sign_in, get, first, scope
):
    _, tokens = sign_in(scope)
    assert get(stack.api(first["name"]), tokens["access_token"]).status_code == 200


def test_the_person_has_the_same_sub_at_every_resource_server(stack, sign_in, get, first, second):
    _, tokens = sign_in(f"openid {first['name']}:read {second['name']}:read")
    urls = [stack.api(manifest["name"]) for manifest in (first, second)]
    subs = [get(url, tokens["access_token"]).json()["sub"] for url in urls]
    assert subs[0] == subs[1]


def test_the_id_token_is_signed_with_a_published_key_and_names_the_same_sub(
    stack, sign_in, get, first, scope
):
    _, tokens = sign_in(scope)
    discovery = requests.get(f"{stack.url}/.well-known/openid-configuration", timeout=10).json()
    keys = KeySet.import_key_set(requests.get(discovery["jwks_uri"], timeout=10).json())
    claims = jwt.decode(tokens["id_token"], keys).claims
    sub = get(stack.api(first["name"]), tokens["access_token"]).json()["sub"]
    assert (claims["sub"], claims["iss"]) == (sub, stack.url)


def test_the_consent_page_shows_the_description_of_the_scope(authorize, browser, first, scope):
    authorize(scope)
    assert first["scopes"][f"{first['name']}:read"] in browser.page.text


def test_a_person_who_cancels_is_sent_back_with_access_denied(authorize, browser, scope):
    authorize(scope)
    assert parameters(browser.submit())["error"] == "access_denied"


def test_an_authorization_request_without_pkce_is_refused(authorize, scope):
    _, redirect = authorize(scope, method=None)
    assert parameters(redirect)["error"] == "invalid_request"


def test_a_redirect_uri_that_is_not_registered_is_not_followed(authorize, browser, scope):
    _, redirect = authorize(scope, redirect_uri="https://attacker.example.com/")
    assert (redirect, browser.page.status_code) == (None, 400)


def test_a_wrong_password_does_not_log_in(stack, browser):
    browser.open(f"{stack.url}/accounts/login/")
    browser.log_in(stack.env["DEMO_USERNAME"], "wrong")
    assert browser.page.url.startswith(f"{stack.url}/accounts/login/")


def test_a_refreshed_token_is_accepted(stack, sign_in, get, first, scope):
    client, tokens = sign_in(scope)
    fresh = client.refresh_token(f"{stack.url}/o/token/", tokens["refresh_token"])
    assert get(stack.api(first["name"]), fresh["access_token"]).status_code == 200


def test_a_refresh_token_that_is_used_twice_revokes_its_successor(stack, sign_in, scope):
    client, tokens = sign_in(scope)
    fresh = client.refresh_token(f"{stack.url}/o/token/", tokens["refresh_token"])
    for used in (tokens, fresh):
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.refresh_token(f"{stack.url}/o/token/", used["refresh_token"])


@pytest.fixture
def set_active(stack):
    """Return a function that activates or deactivates the demo user, who is active at the end."""

    def set_active(active):
        code = (
            "from accounts.models import User\n"
            f"user = User.objects.get(email={stack.env['DEMO_USERNAME']!r})\n"
            f"user.is_active = {active}\nuser.save()"
        )
        command = [sys.executable, "manage.py", "shell", "-c", code]
        folder = ROOT / "authorization_server"
        subprocess.run(command, cwd=folder, env=stack.environment, check=True)

    yield set_active
    set_active(True)


def test_the_tokens_of_a_person_who_is_deactivated_are_refused(
    stack, sign_in, set_active, get, first, scope
):
    _, tokens = sign_in(scope)
    url = stack.api(first["name"])
    assert get(url, tokens["access_token"]).status_code == 200
    set_active(False)
    until(lambda: get(url, tokens["access_token"]).status_code == 401, seconds=20)
