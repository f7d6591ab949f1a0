"""The example of docs/web_clients.md in Chromium, by oidc-client-ts: sign-in, API, revocation."""

import re

import pytest
from playwright.sync_api import expect

TIMEOUT = 60_000  # milliseconds
# Chromium has advice on the field for a token of Swagger UI, and says where a test was faster than
# a field with autofocus.
ADVICE = re.compile(r"\[DOM\]|Autofocus processing was blocked")
pytestmark = pytest.mark.slow


@pytest.fixture
def context(new_context):
    """Return a person's browser, without cookies."""
    with new_context() as context:
        yield context


@pytest.fixture
def messages(context):
    """Return a list for the messages of the console and of scripts that fail."""
    messages = []
    context.on("console", lambda message: messages.append(message.text))
    context.on("weberror", lambda error: messages.append(str(error.error)))
    return messages


def faults(messages):
    """Return the messages that are no advice."""
    return [text for text in messages if not ADVICE.search(text)]


@pytest.fixture
def page(context, example, messages):
    """Return the example page."""
    page = context.new_page()
    page.goto(example)
    expect(page.locator("#output")).to_have_text("Not signed in.", timeout=TIMEOUT)
    return page


def log_in(page, env):
    """Fill in the login page, and allow everything on the consent page."""
    page.get_by_label("E-mail").fill(env["DEMO_USERNAME"])
    page.get_by_label("Password").fill(env["DEMO_PASSWORD"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Allow").click()


def shows(page, text):
    """Wait until the example page shows `text`."""
    expect(page.locator("#output")).to_contain_text(text, timeout=TIMEOUT)


@pytest.fixture
def signed_in(page, env):
    """Return the example page, on which a person has signed in by redirects."""
    page.click("#sign-in")
    log_in(page, env)
    shows(page, '"sub"')
    return page


def test_a_person_signs_in_by_redirects(signed_in, env, messages):
    # The e-mail address comes from the UserInfo endpoint.
    shows(signed_in, f'"email": "{env["DEMO_USERNAME"]}"')
    assert faults(messages) == []


def test_a_person_signs_in_in_a_pop_up(page, env):
    with page.expect_popup() as opened:
        page.click("#sign-in-pop-up")
    pop_up = opened.value
    pop_up.wait_for_url("**/accounts/login/**")
    assert pop_up.evaluate("window.opener !== null")
    log_in(pop_up, env)
    shows(page, f'"email": "{env["DEMO_USERNAME"]}"')
    assert pop_up.is_closed()


def test_a_person_cancels_in_a_pop_up(page, env):
    with page.expect_popup() as opened:
        page.click("#sign-in-pop-up")
    log_in_and_cancel(opened.value, env)
    shows(page, "access_denied")


def log_in_and_cancel(pop_up, env):
    pop_up.get_by_label("E-mail").fill(env["DEMO_USERNAME"])
    pop_up.get_by_label("Password").fill(env["DEMO_PASSWORD"])
    pop_up.get_by_role("button", name="Sign in").click()
    pop_up.get_by_role("button", name="Cancel").click()


def test_the_page_calls_the_api(signed_in):
    signed_in.click("#call")
    shows(signed_in, "200")
    shows(signed_in, '"client_id":"demo-browser"')


def test_the_page_reads_why_the_api_refuses(page):
    page.click("#call")
    shows(page, "401 Bearer realm=")


def test_the_page_revokes_its_tokens(signed_in, env):
    signed_in.click("#call")
    shows(signed_in, "200")
    token = signed_in.evaluate("manager.getUser().then((user) => user.access_token)")
    signed_in.click("#revoke")
    shows(signed_in, "revoked")
    refused = f"""fetch(API + "/api/whoami/", {{headers: {{Authorization: "Bearer {token}"}}}})
        .then((response) => response.status === 401)"""
    # After the seconds for which the API keeps an answer.
    signed_in.wait_for_function(f"() => {refused}", polling=1000)


def test_a_person_signs_out_and_comes_back_to_the_page(signed_in, example):
    signed_in.click("#sign-out")
    signed_in.get_by_role("button", name="Sign out").click()
    signed_in.wait_for_url(example)
    shows(signed_in, "Not signed in.")


def test_a_page_of_another_origin_reads_nothing(page, env, example):
    page.goto(example.replace("localhost", "127.0.0.1"))
    for url in (
        f"{env['AUTHORIZATION_SERVER_URL']}/o/token/",
        f"{env['ORDERS_URL']}/api/ping/",
    ):
        read = f"fetch('{url}').then(() => 'read', () => 'refused')"
        assert page.evaluate(read) == "refused"


@pytest.mark.parametrize("name", ["ORDERS", "INVENTORY"])
def test_the_api_documentation_signs_in_in_a_pop_up(context, env, messages, name):
    page = context.new_page()
    page.goto(f"{env[f'{name}_URL']}/")
    page.get_by_role("button", name="Authorize").first.click()
    form = page.locator(".auth-container", has_text="authorizationCode")
    with page.expect_popup() as opened:
        form.get_by_role("button", name="Authorize").click()
    log_in(opened.value, env)
    expect(form.get_by_text("Logout")).to_be_visible(timeout=TIMEOUT)
    page.get_by_role("button", name="Close").last.click()
    operation = page.locator("#operations-whoami-whoami_retrieve")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text(
        "200", timeout=TIMEOUT
    )
    assert faults(messages) == []


def test_the_api_documentation_is_readable_in_the_dark(chromium, env):
    page = chromium.new_page(color_scheme="dark", viewport={"width": 360, "height": 800})
    page.goto(f"{env['ORDERS_URL']}/api/docs/")
    page.get_by_role("button", name="Authorize").wait_for()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.close()
