"""Accounts in Chromium, with a virtual authenticator: sign-up, passkey, reset, narrow pages."""

import re

import pytest
from playwright.sync_api import expect

TIMEOUT = 60_000  # milliseconds
PASSWORD = "correct horse battery staple"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def context(chromium):
    """Return a narrow browser in the dark."""
    context = chromium.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    context.set_default_timeout(TIMEOUT)
    yield context
    context.close()


@pytest.fixture(scope="module")
def violations(context):
    """Return a list for what the policy of the pages has stopped."""
    found = []
    context.on(
        "console",
        lambda message: found.append(message.text) if "Content Security" in message.text else None,
    )
    return found


@pytest.fixture(scope="module")
def page(context, violations):
    """Return a page whose browser has a device with a fingerprint sensor."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


@pytest.fixture(scope="module")
def url(env):
    return env["AUTHORIZATION_SERVER_URL"]


def code(started):
    """Return the code in the newest mail."""
    newest = max((started / "var" / "mail").glob("*.eml"))
    return re.search(r"^[A-Z0-9]{4}-[A-Z0-9]{4}$", newest.read_text(), re.MULTILINE)[0]


def click(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def fits(page):
    """Assert that the page does not scroll sideways."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, page.url


@pytest.fixture(scope="module")
def person(page, url, started):
    """Return the page after a sign-up."""
    page.goto(f"{url}/accounts/login/")
    fits(page)
    page.get_by_role("link", name="Create an account").click()
    fits(page)
    page.locator("input[name=email]").fill("new@example.com")
    page.locator("input[name=password1]").fill(PASSWORD)
    click(page, "Create the account")
    page.locator("input[name=code]").wait_for()
    fits(page)
    page.locator("input[name=code]").fill(code(started))
    click(page, "Confirm")
    page.wait_for_url(f"{url}/")
    return page


def test_a_passkey_signs_in_alone(person, url, violations):
    person.goto(f"{url}/accounts/2fa/webauthn/add/")
    fits(person)
    person.get_by_label("Name").fill("This phone")
    click(person, "Add the passkey")
    person.wait_for_url("**/recovery-codes/**")
    fits(person)
    person.goto(f"{url}/accounts/logout/")
    click(person, "Sign out")
    person.goto(f"{url}/accounts/login/")
    click(person, "Use a passkey")
    person.wait_for_url(f"{url}/")
    expect(person.locator("main")).to_contain_text("new@example.com")
    assert violations == []


@pytest.mark.parametrize(
    "path",
    [
        *("2fa/", "2fa/webauthn/", "2fa/totp/activate/", "2fa/recovery-codes/generate/"),
        *("email/", "password/change/", "sessions/", "delete/", "logout/", "reauthenticate/"),
    ],
)
def test_a_page_fits_a_phone(person, url, violations, path):
    person.goto(f"{url}/accounts/{path}")
    person.locator("main h1").wait_for()
    fits(person)
    assert violations == []


def test_a_passkey_that_is_not_used_is_said(chromium, url):
    page = chromium.new_context().new_page()
    page.goto(f"{url}/accounts/login/")
    page.evaluate(
        "() => { navigator.credentials.get ="
        " () => Promise.reject(new DOMException('', 'NotAllowedError')) }"
    )
    click(page, "Use a passkey")
    expect(page.get_by_role("alert")).to_contain_text("No passkey was used.", timeout=TIMEOUT)
    page.context.close()


def test_a_password_is_shown(chromium, url):
    page = chromium.new_context().new_page()
    page.goto(f"{url}/accounts/login/")
    click(page, "Show")
    expect(page.locator("#id_password")).to_have_attribute("type", "text", timeout=TIMEOUT)
    page.context.close()


def test_a_password_is_reset(chromium, env, url, started):
    page = chromium.new_context().new_page()
    page.set_default_timeout(TIMEOUT)
    page.goto(f"{url}/accounts/login/")
    page.get_by_role("link", name="Forgot your password?").click()
    page.locator("input[name=email]").fill(env["DEMO_USERNAME"])
    page.locator("main form button[type=submit]").first.click()
    page.locator("input[name=code]").fill(code(started))
    click(page, "Confirm")
    page.locator("input[name=password1]").fill(env["DEMO_PASSWORD"])
    page.locator("input[name=password2]").fill(env["DEMO_PASSWORD"])
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url("**/reset/done/")
    page.goto(f"{url}/accounts/login/")
    page.locator("#id_login").fill(env["DEMO_USERNAME"])
    page.locator("#id_password").fill(env["DEMO_PASSWORD"])
    click(page, "Sign in")
    page.wait_for_url(f"{url}/")
    page.context.close()
