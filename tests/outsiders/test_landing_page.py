"""The page at `/` in Chromium: what runs where."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


@pytest.fixture
def page(new_context, env):
    """Return the page at `/` of the authorization server."""
    with new_context() as context:
        page = context.new_page()
        page.goto(env["AUTHORIZATION_SERVER_URL"])
        yield page


def test_every_service_is_ready(page):
    expect(page.locator(".state")).to_have_text(["ready"] * 3)


def test_it_leads_to_the_documentation_of_an_api(page, env):
    page.get_by_role("link", name="Orders").click()
    page.wait_for_url(f"{env['ORDERS_URL']}/api/docs/")
    page.get_by_role("button", name="Authorize").wait_for()
