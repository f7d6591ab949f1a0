"""Accounts in Chromium: a passkey, a password that is shown, a reset.

test_journeys.py and test_every_page.py make accounts and look at the pages.
"""

import pytest
from people import click, mailed_code
from playwright.sync_api import expect

TIMEOUT = 60_000  # milliseconds
pytestmark = pytest.mark.slow


@pytest.fixture
def url(env):
    return env["AUTHORIZATION_SERVER_URL"]


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
    page.locator("input[name=code]").fill(mailed_code(started, env["DEMO_USERNAME"]))
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
