"""People in Chromium: sign-up, passkey, an application with access, a device, step-up, keyboard."""

import re
from uuid import uuid4

import pytest
import requests
from people import (
    CONSENT,
    PASSWORD,
    add_app,
    add_passkey,
    add_sensor,
    click,
    id_token,
    sign_in,
    sign_up,
    totp,
)
from playwright.sync_api import expect

TIMEOUT = 60_000  # milliseconds
TWO_FACTORS = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
pytestmark = pytest.mark.slow


@pytest.fixture
def url(env):
    return env["AUTHORIZATION_SERVER_URL"]


@pytest.fixture
def address():
    """Return the e-mail address of a new person."""
    return f"{uuid4().hex}@example.com"


@pytest.fixture
def page(new_context, url, started, address):
    """Return a page of a person who has signed up and added a passkey."""
    with new_context() as context:
        page = context.new_page()
        add_sensor(page)
        sign_up(page, url, started, address)
        add_passkey(page, url)
        yield page


def authorize(page, example, **parameters):
    """Have the example ask for authorization, with these parameters of the request."""
    page.goto(example)
    expect(page.locator("#output")).not_to_be_empty(timeout=TIMEOUT)
    page.evaluate("(more) => { manager.signinRedirect(more) }", parameters)


def test_an_application_whose_access_is_withdrawn_is_refused(page, url, example):
    page.goto(f"{url}/accounts/logout/")
    click(page, "Sign out")
    page.wait_for_url(f"{url}/")
    authorize(page, example)
    click(page, "Use a passkey")
    id_token(page, example)
    page.click("#call")
    expect(page.locator("#output")).to_contain_text('"client_id":"demo-browser"', timeout=TIMEOUT)
    page.goto(f"{url}/applications/")
    page.get_by_role("button", name="Withdraw access").click()
    page.get_by_text("No application has access.").wait_for()
    page.goto(example)
    # After the seconds for which the API keeps an answer.
    refused = "() => call('/api/whoami/').then((text) => text.startsWith('401'))"
    page.wait_for_function(refused, polling=1000)


def test_an_application_can_ask_for_the_passkey(page, example):
    authorize(page, example)
    assert id_token(page, example)["amr"] == ["pwd"]
    authorize(page, example, acr_values="phr")
    page.locator("#mfa_webauthn_reauthenticate").click()
    claims = id_token(page, example)
    assert claims["acr"] == "phr"
    assert "pop" in claims["amr"]


@pytest.mark.parametrize("parameters", [{"prompt": "login"}, {"max_age": 0}])
def test_an_application_can_ask_to_sign_in_again(page, example, parameters):
    authorize(page, example)
    assert "pop" not in id_token(page, example)["amr"]
    authorize(page, example, **parameters)
    page.get_by_text("Sign in again").wait_for()
    click(page, "Use a passkey")
    assert "pop" in id_token(page, example)["amr"]


def test_a_passkey_cannot_be_asked_for_before_its_script_is_there(page, url):
    page.goto(f"{url}/accounts/logout/")
    click(page, "Sign out")
    page.wait_for_url(f"{url}/")
    held = []
    page.route(re.compile(r"/webauthn\..*js"), lambda route: held.append(route))
    page.goto(f"{url}/accounts/login/", wait_until="commit")
    expect(page.get_by_role("button", name="Use a passkey")).to_be_disabled(timeout=TIMEOUT)
    held[0].continue_()
    click(page, "Use a passkey")
    page.wait_for_url(f"{url}/")


@pytest.fixture
def newcomer(new_context, url, started, address):
    """Return a page of a person who has only a password."""
    with new_context() as context:
        page = context.new_page()
        sign_up(page, url, started, address)
        yield page


def test_an_application_can_ask_for_the_code_of_an_app(newcomer, url, example):
    authorize(newcomer, example)
    assert "otp" not in id_token(newcomer, example)["amr"]
    secret, used = add_app(newcomer, url)
    authorize(newcomer, example, acr_values=TWO_FACTORS)
    newcomer.locator("input[name=code]").fill(totp(secret, used))
    newcomer.keyboard.press("Enter")
    claims = id_token(newcomer, example)
    assert (claims["acr"], "otp" in claims["amr"]) == (TWO_FACTORS, True)


@pytest.mark.parametrize("parameters", [{"prompt": "login"}, {"max_age": 0}])
def test_an_application_can_ask_for_the_password_again(newcomer, address, example, parameters):
    authorize(newcomer, example)
    first = id_token(newcomer, example)["auth_time"]
    authorize(newcomer, example, **parameters)
    newcomer.get_by_text("Sign in again").wait_for()
    sign_in(newcomer, address)
    assert id_token(newcomer, example)["auth_time"] > first


def test_a_device_gets_a_token_from_the_page_for_its_code(page, env, url):
    client = env["DEMO_DEVICE_CLIENT_ID"]
    asked = {"client_id": client, "scope": "orders:read"}
    device = requests.post(f"{url}/o/device-authorization/", asked, timeout=60).json()
    page.goto(device["verification_uri"])
    page.get_by_label("Code").fill(device["user_code"])
    click(page, "Continue")
    click(page, "Connect device")
    page.get_by_role("heading", name="Device connected").wait_for()
    sent = {"grant_type": GRANT, "client_id": client, "device_code": device["device_code"]}
    token = requests.post(f"{url}/o/token/", sent, timeout=60).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{env['ORDERS_URL']}/api/whoami/", headers=headers, timeout=60)
    assert answer.status_code == 200


def tab_to(page, selector):
    """Press Tab until the element has the focus, which each element on the way shows."""
    for _ in range(20):
        page.keyboard.press("Tab")
        focus = "element => getComputedStyle(element).outlineStyle"
        assert page.locator(":focus").evaluate(focus) != "none"
        if page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"{selector} has not got the focus")


def test_a_keyboard_is_enough(page, example, address):
    page.context.clear_cookies()
    page.goto(example)
    expect(page.locator("#output")).to_have_text("Not signed in.", timeout=TIMEOUT)
    tab_to(page, "#sign-in")
    page.keyboard.press("Enter")
    page.locator("#id_login:focus").wait_for()
    page.keyboard.type(address)
    tab_to(page, "#id_password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("#mfa_webauthn_authenticate").wait_for()
    tab_to(page, "#mfa_webauthn_authenticate")
    page.keyboard.press("Enter")
    page.locator(CONSENT).wait_for()
    tab_to(page, CONSENT)
    page.keyboard.press("Enter")
    page.wait_for_url(example)
    page.locator("#output:has-text('sub')").wait_for()
