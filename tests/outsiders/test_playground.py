"""The playground in Chromium: what each of its buttons shows."""

import re

import pytest
from playwright.sync_api import expect

TIMEOUT = 60_000  # milliseconds
BUTTONS = {
    "good", "none", "malformed", "garbage", "expired", "revoked", "scope", "audience", "outage",
    "signOut",
}  # fmt: skip
# The answers of an API are errors to the console of a browser.
EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of (4\d\d|503)")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def context(chromium):
    """Return a person's browser."""
    context = chromium.new_context()
    context.set_default_timeout(TIMEOUT)
    yield context
    context.close()


@pytest.fixture(scope="module")
def messages(context):
    """Return a list for the messages of the console and of scripts that fail."""
    messages = []
    context.on("console", lambda message: messages.append(message.text))
    context.on("weberror", lambda error: messages.append(str(error.error)))
    return messages


@pytest.fixture(scope="module")
def origins(context):
    """Return a set for the origins to which requests go."""
    origins = set()
    context.on("request", lambda request: origins.add("/".join(request.url.split("/")[:3])))
    return origins


@pytest.fixture(scope="module")
def address(env):
    return f"{env['AUTHORIZATION_SERVER_URL']}/playground/"


def opened(context, address):
    page = context.new_page()
    page.goto(address)
    ends(page)
    return page


@pytest.fixture
def stranger(chromium, address):
    """Return the page of a person who has not signed in."""
    context = chromium.new_context()
    context.set_default_timeout(TIMEOUT)
    yield opened(context, address)
    context.close()


def log_in(page, env):
    """Fill in the login page, if it is one, and allow everything on the consent page."""
    page.locator("input[name=login], input[name=username]").fill(env["DEMO_USERNAME"])
    page.locator("input[type=password]").fill(env["DEMO_PASSWORD"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Allow").click()


@pytest.fixture(scope="module")
def shared(context, messages, origins, address, env):
    """Return the page of a person who has signed in by redirects."""
    page = opened(context, address)
    page.get_by_role("button", name="Sign in", exact=True).click()
    log_in(page, env)
    page.wait_for_url(address)
    ends(page)
    return page


@pytest.fixture
def page(shared):
    """Return the page with the API `orders` and a token, after a new sign-in if it was revoked."""
    shared.get_by_label("API", exact=True).select_option("orders")
    ends(shared)
    if shared.locator("#sign-in").is_visible():
        shared.get_by_role("button", name="Sign in", exact=True).click()
        shared.locator("button:has-text('Allow'), #token:visible").first.wait_for()
        if (allow := shared.get_by_role("button", name="Allow")).is_visible():
            allow.click()
        expect(shared.locator("#token")).to_be_visible(timeout=TIMEOUT)
        ends(shared)
    return shared


def ends(page):
    """Wait until nothing is running."""
    page.locator(".result[aria-busy=false]").wait_for(timeout=TIMEOUT)


def press(page, button):
    page.locator(f"[data-experiment={button}]").click()
    ends(page)


def outcome(page):
    """Return the answer that the page explains."""
    return page.locator("#title .status").inner_text()


def notes(page):
    """Return what the list says of each request."""
    return [re.sub(r"[\d.]+ ms", "N ms", each) for each in page.locator(".note").all_inner_texts()]


def test_the_page_has_a_test_for_each_button(stranger):
    buttons = stranger.locator("[data-experiment]")
    found = {each.get_attribute("data-experiment") for each in buttons.all()}
    assert found == BUTTONS


def test_the_page_has_the_operations_of_each_api(stranger):
    operations = stranger.locator("#operation option")
    for api in ("orders", "inventory"):
        stranger.locator("#api").select_option(api)
        ends(stranger)
        assert {"GET /api/whoami/", "POST /api/items/"} <= {*operations.all_text_contents()}


def test_a_person_signs_in_by_redirects(shared):
    assert "orders:read" in shared.locator("#scopes").inner_text()


def test_a_person_signs_in_in_a_pop_up(stranger, env):
    with stranger.expect_popup() as pop_up:
        stranger.get_by_role("button", name="Sign in, in a pop-up").click()
    log_in(pop_up.value, env)
    expect(stranger.locator("#token")).to_be_visible(timeout=TIMEOUT)
    assert outcome(stranger) == "200, a token"
    assert pop_up.value.is_closed()


def test_a_person_picks_the_scopes(stranger, env):
    for box in stranger.get_by_role("checkbox").all():
        box.set_checked(box.get_attribute("value") == "orders:read")
    stranger.get_by_role("button", name="Sign in", exact=True).click()
    log_in(stranger, env)
    expect(stranger.locator("#scopes")).to_have_text("orders:read", timeout=TIMEOUT)


def test_an_answer_to_another_request_is_not_used(stranger, address):
    stranger.goto(f"{address}?code=stolen&state=another")
    expect(stranger.locator("#why")).to_contain_text("does not belong", timeout=TIMEOUT)
    assert stranger.locator("#steps li").count() == 1


def test_a_request_is_sent_and_shown(page):
    page.locator("#operation").select_option(label="GET /api/whoami/")
    page.get_by_role("button", name="Send").click()
    ends(page)
    assert outcome(page) == "200"
    assert '"client_id":"playground"' in page.locator("#steps details[open]").inner_text()


def test_a_request_with_a_body_is_sent(page):
    page.locator("#operation").select_option(label="POST /api/items/")
    page.get_by_role("button", name="Send").click()
    ends(page)
    assert outcome(page) == "201"


def test_no_token_is_shown_in_full(page):
    press(page, "good")
    token = page.evaluate("JSON.parse(sessionStorage.session).access")
    assert token not in page.content()


def test_a_good_token_is_asked_about_once(page):
    press(page, "good")
    assert outcome(page) == "200"
    assert [each.rpartition("; ")[2] for each in notes(page)[1:]] == [
        "introspection: active",
        "cache: active",
    ]


def test_the_diagram_has_an_arrow_for_each_message(page):
    press(page, "good")
    arrows = page.locator("#diagram .label").all_text_contents()
    assert arrows == [
        *("refresh token", "200, a token"),
        *("GET /api/whoami/", "introspection", "active", "200"),
        *("GET /api/whoami/", "200"),
    ]
    assert page.locator("#diagram .inside").all_text_contents() == ["cache: active"]


def test_no_token(stranger):
    press(stranger, "none")
    assert outcome(stranger) == "401"
    assert "resource_metadata" in stranger.locator("#steps details[open]").inner_text()


def test_a_malformed_header(stranger):
    press(stranger, "malformed")
    assert outcome(stranger) == "400 invalid_request"


def test_garbage_is_asked_about_once(stranger):
    press(stranger, "garbage")
    assert outcome(stranger) == "401 invalid_token"
    assert [each.rpartition("; ")[2] for each in notes(stranger)] == [
        "introspection: inactive",
        "cache: inactive",
    ]


def test_an_expired_token(page):
    press(page, "expired")
    assert outcome(page) == "401 invalid_token"
    assert page.locator("#steps summary .status").all_text_contents() == [
        *("200, a token", "200", "401 invalid_token"),
    ]


def test_a_wrong_scope(page):
    press(page, "scope")
    assert outcome(page) == "403 insufficient_scope"
    assert "this operation needs orders:write" in page.locator("#why").inner_text()


def test_a_wrong_audience(page):
    press(page, "audience")
    assert outcome(page) == "401 invalid_token"
    assert "has no scope of Orders" in page.locator("#why").inner_text()


def test_the_authorization_server_is_away(page):
    press(page, "outage")
    assert re.fullmatch(r"503 Retry-After: \d+", outcome(page))
    sources = [each.rpartition("; ")[2] for each in notes(page) if "Orders" in each]
    assert sources[-3:] == [
        "cache: active",
        "introspection: no answer",
        "introspection: active",
    ]


def test_a_revoked_token(page):
    press(page, "revoked")
    assert outcome(page) == "401 invalid_token"
    assert page.locator("#sign-in").is_visible()


def test_a_person_signs_out(page):
    press(page, "signOut")
    assert outcome(page) == "200"
    assert page.evaluate("sessionStorage.session") == "null"


@pytest.mark.parametrize("button", sorted(BUTTONS - {"none", "malformed", "garbage", "signOut"}))
def test_a_button_that_needs_a_token_says_so(stranger, button):
    press(stranger, button)
    assert "Sign in first" in stranger.locator("#why").inner_text()
    assert stranger.locator("#steps li").count() == 0


def test_a_keyboard_is_enough(page):
    button = page.get_by_role("button", name="Good token")
    button.focus()
    page.keyboard.press("Enter")
    ends(page)
    assert outcome(page) == "200"
    expect(button).to_be_focused()


@pytest.mark.parametrize("width", [360, 768, 1360])
def test_no_width_scrolls_sideways(page, width):
    press(page, "good")
    page.set_viewport_size({"width": width, "height": 800})
    sizes = page.locator("html").evaluate("html => [html.scrollWidth, html.clientWidth]")
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(chromium, node_modules, address, env, theme):
    # axe is a script that the policy of the page does not allow.
    context = chromium.new_context(color_scheme=theme, bypass_csp=True)
    context.set_default_timeout(TIMEOUT)
    page = opened(context, address)
    found = violations(page, node_modules)
    page.get_by_role("button", name="Sign in", exact=True).click()
    log_in(page, env)
    page.wait_for_url(address)
    ends(page)
    press(page, "scope")
    found += violations(page, node_modules)
    context.close()
    assert found == []


def violations(page, node_modules):
    """Return the names of the rules of axe that the page breaks."""
    page.evaluate((node_modules / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8"))
    return page.evaluate("axe.run().then(({violations}) => violations.map(({id}) => id))")


def test_requests_go_to_the_services_only(page, origins, env):
    assert origins == {
        env[f"{name}_URL"] for name in ("AUTHORIZATION_SERVER", "ORDERS", "INVENTORY")
    }


def test_nothing_violates_the_policy_or_fails(page, messages):
    assert [text for text in messages if not EXPECTED.match(text)] == []
