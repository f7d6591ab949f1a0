"""The authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636)."""

import pytest
from oauth2_provider.models import AccessToken

from client_registry.models import RegisteredClient
from tests.flows import CHALLENGE, exchange, introspect, parameters_of

pytestmark = pytest.mark.usefixtures("registered")


def test_somebody_who_is_not_signed_in_is_sent_to_the_login_page(browser):
    browser.logout()
    assert browser.authorize()["Location"].startswith("/accounts/login/?next=/o/authorize/")


def test_a_code_is_worth_tokens(browser):
    tokens = browser.tokens().json()
    assert tokens["scope"] == "openid orders:read"
    assert tokens["expires_in"] == 600
    assert tokens["token_type"] == "Bearer"
    assert {"access_token", "refresh_token", "id_token"} <= set(tokens)


def test_the_access_token_is_the_one_of_alice(browser, alice):
    token = browser.tokens().json()["access_token"]
    assert introspect(token).json()["sub"] == str(alice.pk)


def test_tokens_are_not_stored_in_clear(browser):
    browser.tokens()
    assert AccessToken.objects.get().token == ""


def test_the_consent_page_says_what_the_scopes_mean(browser):
    page = browser.authorize(scope="orders:read inventory:write").text
    assert "See your orders" in page
    assert "Create, change and delete your inventory" in page


def test_the_consent_page_names_the_client_and_the_person(browser):
    page = browser.authorize().text
    assert "Demo browser" in page
    assert "alice@example.com" in page


def test_the_consent_page_never_shows_the_scope_introspection(browser):
    assert "introspection" not in browser.authorize(scope="openid orders:read").text


def test_the_consent_page_cannot_be_left_out_by_the_client(browser):
    browser.tokens()
    assert browser.authorize(approval_prompt="auto").status_code == 200


def test_the_response_names_the_issuer_and_the_state(browser):
    response = browser.consent()
    assert response["iss"] == "http://localhost:8000"
    assert response["state"] == "a-state"


def test_somebody_who_cancels_sends_the_client_an_error_with_the_issuer(browser):
    response = parameters_of(browser.send_form(browser.authorize()))
    assert response == {
        "error": "access_denied",
        "state": "a-state",
        "iss": "http://localhost:8000",
    }


def test_a_request_without_scope_gets_the_default(browser):
    assert browser.tokens(scope=None).json()["scope"] == "openid"


def test_a_request_without_scope_is_refused_where_there_is_no_default(browser):
    RegisteredClient.objects.filter(name="demo-browser").update(default_scopes=[])
    assert parameters_of(browser.authorize(scope=None))["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "S512"}, "invalid_request"),
        ({"scope": "introspection"}, "invalid_scope"),
        ({"scope": "orders:unknown"}, "invalid_scope"),
        ({"response_type": "token"}, "unauthorized_client"),
        ({"response_type": "code id_token"}, "unauthorized_client"),
        ({"prompt": "none"}, "consent_required"),
    ],
)
def test_a_request_is_refused(browser, changes, error):
    response = parameters_of(browser.authorize(**changes))
    assert response["error"] == error
    assert response["iss"] == "http://localhost:8000"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": "demo-machine"},
        {"redirect_uri": "http://127.0.0.1:8765/other"},
        {"redirect_uri": "https://attacker.example/"},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(browser, changes):
    response = browser.authorize(**changes)
    assert response.status_code == 400
    assert "This request cannot continue" in response.text


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "orders:read introspection"},
        {"code_challenge_method": "plain"},
        {"resource": "https://attacker.example"},
    ],
)
def test_a_form_that_was_tampered_with_gives_no_code(browser, fields):
    response = browser.send_form(browser.authorize(), allow="true", **fields)
    assert "code" not in parameters_of(response)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code": "unknown"}, "invalid_grant"),
        ({"code_verifier": "a" * 43}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": "http://localhost:8765/callback"}, "invalid_grant"),
        ({"client_id": "demo-device"}, "unauthorized_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_secret": "anything"}, "invalid_client"),
    ],
)
def test_an_exchange_is_refused(browser, changes, error):
    response = exchange(browser.consent()["code"], **changes)
    assert response.status_code in (400, 401)
    assert response.json()["error"] == error


def test_a_code_works_once(browser):
    code = browser.consent()["code"]
    exchange(code)
    assert exchange(code).json()["error"] == "invalid_grant"


def test_a_code_of_somebody_who_was_deactivated_meanwhile_is_refused(browser, alice):
    code = browser.consent()["code"]
    # An update sends no signal, so the code is still there.
    type(alice).objects.update(is_active=False)
    response = exchange(code)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"
    assert AccessToken.objects.count() == 0


def test_a_code_of_a_client_that_was_switched_off_meanwhile_is_refused(browser):
    code = browser.consent()["code"]
    RegisteredClient.objects.filter(name="demo-browser").update(is_active=False)
    assert exchange(code).json()["error"] == "invalid_client"


def test_a_scope_that_was_taken_away_meanwhile_is_refused(browser):
    code = browser.consent()["code"]
    RegisteredClient.objects.filter(name="demo-browser").update(scopes=["openid"])
    response = exchange(code)
    assert response.json()["error"] == "invalid_scope"
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"


def test_a_client_that_is_switched_off_shows_no_consent_page(browser):
    RegisteredClient.objects.filter(name="demo-browser").update(is_active=False)
    assert browser.authorize().status_code == 400


def test_an_application_that_is_not_registered_shows_no_consent_page(browser):
    RegisteredClient.objects.filter(name="demo-browser").delete()
    assert browser.authorize().status_code == 400


def test_a_resource_goes_from_the_request_to_the_token(browser):
    browser.tokens(resource="https://orders.example.com")
    assert AccessToken.objects.get().resource == ["https://orders.example.com"]


def test_the_exchange_cannot_go_beyond_the_resource_of_the_code(browser):
    code = browser.consent(resource="https://orders.example.com")["code"]
    response = exchange(code, resource="https://inventory.example.com")
    assert response.json()["error"] == "invalid_target"
