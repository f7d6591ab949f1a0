"""Consent that is remembered, and the page on which people withdraw it."""

import re

import pytest
from django.test import Client
from django.utils import timezone
from oauth.models import Consent
from oauth2_provider.models import AccessToken, Application, DeviceGrant, Grant
from revocation_events.models import Event
from tests.devices import connect, poll, start_device
from tests.flows import Browser, exchange, is_active, parameters_of, refresh

SHOP = "https://shop.example.com/callback"
PAGE = "/applications/"
pytest_plugins = ["tests.recorded"]
pytestmark = pytest.mark.usefixtures("registered")


def change_client(**fields):
    Application.objects.filter(client_id="demo-browser").update(**fields)


@pytest.fixture
def confidential(browser):
    """Let the client have a secret, which only it knows."""
    change_client(client_type="confidential")


def asks(response):
    """Return whether a response is the consent page; otherwise it has a code."""
    if response.status_code == 200:
        assert "will be able to" in response.text
        return True
    assert "code=" in response["Location"]
    return False


@pytest.mark.parametrize("scope", ["openid orders:read", "orders:read", "openid"])
def test_nobody_is_asked_twice_for_the_same_or_less(browser, confidential, scope):
    browser.consent()
    assert not asks(browser.authorize(scope=scope))


def test_people_are_asked_for_more(browser, confidential):
    browser.consent(scope="openid orders:read")
    assert asks(browser.authorize(scope="openid orders:read orders:write"))


def test_scopes_add_up(browser, confidential):
    browser.consent(scope="orders:read")
    browser.consent(scope="orders:write")
    assert not asks(browser.authorize(scope="orders:read orders:write"))


def test_the_response_is_the_one_of_the_page(browser, confidential):
    shown = browser.consent(resource="https://orders.example.com", nonce="a-nonce")
    remembered = parameters_of(
        browser.authorize(resource="https://orders.example.com", nonce="a-nonce")
    )
    assert remembered | {"code": ""} == shown | {"code": ""}
    first, second = Grant.objects.order_by("pk")
    for field in ("scope", "resource", "nonce", "code_challenge", "redirect_uri", "user"):
        assert getattr(first, field) == getattr(second, field)


@pytest.mark.parametrize("challenge", ["", " ", None])
def test_a_remembered_consent_gives_no_code_without_a_challenge(browser, confidential, challenge):
    browser.consent()
    response = parameters_of(browser.authorize(code_challenge=challenge))
    assert (response["error"], Grant.objects.count()) == ("invalid_request", 1)


def test_prompt_consent_asks_again(browser, confidential):
    browser.consent()
    assert asks(browser.authorize(prompt="consent"))


def test_prompt_none_succeeds_with_a_remembered_consent(browser, confidential):
    browser.consent()
    assert "code" in parameters_of(browser.authorize(prompt="none"))


@pytest.mark.parametrize("scope", ["openid orders:read", "openid orders:write"])
def test_prompt_none_is_refused_without_one(browser, confidential, scope):
    if "write" in scope:
        browser.consent(scope="openid orders:read")
    response = parameters_of(browser.authorize(prompt="none", scope=scope))
    assert (response["error"], response["state"]) == ("consent_required", "a-state")
    assert response["iss"] == "http://localhost:8000"


def test_prompt_none_without_a_session_is_login_required(browser, confidential):
    browser.consent()
    browser.logout()
    assert parameters_of(browser.authorize(prompt="none"))["error"] == "login_required"


def test_a_remembered_consent_does_not_replace_a_sign_in(browser, confidential):
    browser.consent()
    assert browser.authorize(prompt="login")["Location"].startswith("/accounts/login/")


def test_a_refusal_is_not_remembered(browser, confidential):
    browser.send_form(browser.authorize())
    assert asks(browser.authorize())
    assert not Consent.objects.exists()


def test_the_consent_of_another_person_is_not_used(browser, confidential, bob):
    browser.consent()
    other = Browser()
    other.force_login(bob)
    assert asks(other.authorize())


@pytest.mark.parametrize(
    ("address", "is_remembered"),
    [
        (SHOP, True),
        ("http://127.0.0.1:8765/callback", False),
        ("http://localhost:8765/callback", False),
        ("https://localhost:8765/callback", False),
        ("https://127.0.0.1/callback", False),
        ("com.example.app:/callback", False),
    ],
)
def test_of_a_public_client_only_an_address_of_its_own_is_trusted(browser, address, is_remembered):
    change_client(redirect_uris=address)
    page = browser.authorize(redirect_uri=address)
    assert "code=" in browser.send_form(page, allow="true")["Location"]
    assert asks(browser.authorize(redirect_uri=address)) != is_remembered


def test_prompt_none_is_refused_where_consent_is_not_remembered(browser):
    browser.consent()
    assert parameters_of(browser.authorize(prompt="none"))["error"] == "consent_required"


def test_a_client_that_needed_no_consent_needs_it_now(browser, confidential):
    change_client(skip_authorization=True)
    assert not asks(browser.authorize())
    change_client(skip_authorization=False)
    assert asks(browser.authorize())


def test_a_new_password_forgets_every_consent(browser, confidential, alice):
    browser.consent()
    alice.set_password("correct horse battery staple")
    alice.save()
    assert not Consent.objects.exists()


# ---- The page ----


def test_the_page_names_client_apis_and_scopes(browser):
    browser.consent(scope="openid orders:read inventory:write")
    page = browser.get(PAGE).text
    for text in (
        "Demo browser",
        "Know who you are when you come back",
        "Orders",
        "See your orders",
        "Create, change and delete your inventory",
    ):
        assert text in page
    assert "Create, change and delete your orders" not in page


def test_the_home_page_leads_there(browser):
    assert f'href="{PAGE}"' in browser.get("/").text


def test_the_page_needs_a_session(anonymous):
    assert anonymous.get(PAGE)["Location"].startswith("/accounts/login/")
    assert anonymous.post(PAGE, {"client_id": "demo-browser"})["Location"].startswith("/accounts/")


def test_the_page_is_not_cached(browser):
    assert "no-store" in browser.get(PAGE)["Cache-Control"]


def test_the_form_needs_a_csrf_token(registered, alice):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(PAGE, {"client_id": "demo-browser"}).status_code == 403


def test_the_page_says_when_the_last_token_was_issued(browser, monkeypatch):
    tokens = browser.tokens().json()
    first = Consent.objects.get().last_used
    assert first
    refresh(tokens["refresh_token"])
    assert Consent.objects.get().last_used > first
    assert re.search(r"last got access on \w+\.? \d+, \d{4}", browser.get(PAGE).text)


def test_a_client_without_consent_is_on_the_page_too(browser):
    change_client(skip_authorization=True)
    browser.authorize()
    assert "See your orders" in browser.get(PAGE).text


def test_a_device_is_on_the_page_and_loses_access(browser):
    device = start_device().json()
    connect(browser, device["user_code"])
    assert "Demo device" in browser.get(PAGE).text
    token = poll(device["device_code"]).json()["access_token"]
    withdraw(browser, "demo-device")
    assert not is_active(token)


def test_a_device_that_has_not_polled_gets_no_token(browser):
    device = start_device().json()
    connect(browser, device["user_code"])
    withdraw(browser, "demo-device")
    assert poll(device["device_code"]).json()["error"] == "invalid_grant"
    assert not DeviceGrant.objects.exists()


# ---- Withdrawal ----


def withdraw(browser, client_id="demo-browser"):
    assert browser.post(PAGE, {"client_id": client_id})["Location"] == PAGE


def test_a_withdrawal_ends_tokens_and_consent(browser, confidential):
    change_client(client_type="public")
    tokens = browser.tokens().json()
    withdraw(browser)
    assert not is_active(tokens["access_token"])
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    change_client(client_type="confidential")
    assert asks(browser.authorize())
    assert "No application has access" in browser.get(PAGE).text


def test_a_withdrawal_ends_codes(browser):
    code = browser.consent()["code"]
    withdraw(browser)
    assert exchange(code).json()["error"] == "invalid_grant"


def test_resource_servers_learn_of_a_withdrawal(browser):
    browser.tokens()
    digest = AccessToken.objects.get().token_checksum
    withdraw(browser)
    event = Event.objects.latest("pk")
    assert (event.kind, event.value, event.resource_servers) == ("token", digest, ["orders"])


def test_a_withdrawal_is_an_event(browser, alice, events):
    browser.tokens()
    events()
    withdraw(browser)
    members = {"sub": str(alice.pk), "client_id": "demo-browser"}
    assert events() == [("consent-withdrawn", "ok", members)]


def test_a_withdrawal_ends_nothing_of_another_person(browser, bob):
    token = browser.tokens().json()["access_token"]
    other = Browser()
    other.force_login(bob)
    withdraw(other)
    assert is_active(token)
    assert Consent.objects.count() == 1


@pytest.mark.parametrize("client_id", ["demo-device", "nobody", "\0", ""])
def test_a_withdrawal_ends_nothing_of_another_client(browser, client_id):
    token = browser.tokens().json()["access_token"]
    withdraw(browser, client_id)
    assert is_active(token)


def test_no_token_is_issued_without_a_consent(browser):
    tokens = browser.tokens().json()
    code = browser.consent()["code"]
    Consent.objects.all().delete()
    assert exchange(code).json()["error"] == "invalid_grant"
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert AccessToken.objects.filter(expires__gt=timezone.now()).count() == 1
