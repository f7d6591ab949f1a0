"""The pages at `/` in Chromium: what runs where, readable in both themes and on a telephone."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


@pytest.fixture(params=["light", "dark"])
def page(request, chromium, env):
    """Return the page at `/` of the authorization server, as wide as a telephone."""
    # axe is a script that the policy of the page does not allow.
    context = chromium.new_context(
        color_scheme=request.param, bypass_csp=True, viewport={"width": 360, "height": 800}
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(env["AUTHORIZATION_SERVER_URL"])
    yield page
    context.close()


def test_every_service_is_ready(page):
    expect(page.locator(".state")).to_have_text(["ready"] * 3)


def test_it_leads_to_the_documentation_of_an_api(page, env):
    page.get_by_role("link", name="Orders").click()
    page.wait_for_url(f"{env['ORDERS_URL']}/api/docs/")
    page.get_by_role("button", name="Authorize").wait_for()


def test_it_does_not_scroll_sideways(page):
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_axe_finds_nothing(page, node_modules):
    page.evaluate((node_modules / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8"))
    found = "axe.run().then(({violations}) => violations.map(({id}) => id))"
    assert page.evaluate(found) == []
