"""The authorization code flow with PKCE, by Authlib and a browser that keeps cookies."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from browser import parameters
from conftest import ROOT, until
from infrastructure import REDIRECT_URI, VERIFIER
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


@pytest.mark.parametrize("malformed", ["&claims=notjson", "&nonce=%00", "&max_age=1&max_age=2"])
def test_the_client_learns_that_a_parameter_is_malformed(authorize, scope, malformed):
    _, redirect = authorize(scope, more=malformed)
    assert parameters(redirect)["error"] == "invalid_request"


def test_the_session_of_another_person_than_the_hint_is_refused(authorize, scope):
    _, redirect = authorize(scope, more="&id_token_hint=another")
    assert parameters(redirect)["error"] == "login_required"


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


def test_a_refresh_token_that_is_used_again_revokes_its_successors(stack, sign_in, scope):
    client, tokens = sign_in(scope)
    fresh = tokens
    for _ in range(2):  # At once after the first, it would be a race.
        fresh = client.refresh_token(f"{stack.url}/o/token/", fresh["refresh_token"])
    for used in (tokens, fresh):
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.refresh_token(f"{stack.url}/o/token/", used["refresh_token"])


def send_at_once(stack, number, **data):
    """Send the same request to the token endpoint `number` times at once; return the answers."""
    barrier = Barrier(number)
    data |= {"client_id": stack.env["DEMO_BROWSER_CLIENT_ID"]}

    def send(_):
        barrier.wait()
        return requests.post(f"{stack.url}/o/token/", data=data, timeout=60)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(send, range(number)))


def assert_one_succeeds(answers):
    refused = [answer for answer in answers if answer.status_code != 200]
    assert [answer.json() for answer in refused] == [{"error": "invalid_grant"}] * 5
    assert len(answers) == 6
    [succeeded] = [answer.json() for answer in answers if answer.status_code == 200]
    return succeeded


def test_of_six_refreshes_at_once_one_succeeds(stack, sign_in, get, first, scope):
    client, tokens = sign_in(scope)
    answers = send_at_once(
        stack, 6, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
    )
    fresh = assert_one_succeeds(answers)
    assert get(stack.api(first["name"]), fresh["access_token"]).status_code == 200
    assert client.refresh_token(f"{stack.url}/o/token/", fresh["refresh_token"])


def test_of_six_exchanges_of_a_code_at_once_one_succeeds(stack, authorize, browser, scope):
    authorize(scope)
    code = parameters(browser.submit(allow="true"))["code"]
    answers = send_at_once(
        stack,
        6,
        grant_type="authorization_code",
        code=code,
        redirect_uri=REDIRECT_URI,
        code_verifier=VERIFIER,
    )
    assert_one_succeeds(answers)


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
