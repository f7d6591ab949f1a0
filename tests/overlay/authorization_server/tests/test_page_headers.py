"""The headers of pages: frames, pop-ups, caches. A browser tests them in tests/outsiders."""

import pytest
from tests.devices import start_device

# Where clients send people, and the redirects between these pages.
OPENED = ["/accounts/login/", "/accounts/logout/", "/o/authorize/", "/o/device/", "/o/logout/"]
OTHERS = ["/", "/admin/login/", "/unknown"]


@pytest.fixture
def consent(browser):
    """Return the consent page."""
    return browser.authorize()


@pytest.fixture
def device(browser):
    """Return the page that asks whether to connect a device."""
    form = {"user_code": start_device().json()["user_code"]}
    return browser.get(browser.post("/o/device/", form)["Location"])


@pytest.mark.parametrize("path", [*OPENED, *OTHERS])
def test_no_page_is_shown_in_a_frame(anonymous, path):
    assert "frame-ancestors 'none'" in anonymous.get(path)["Content-Security-Policy"]


@pytest.mark.parametrize("path", [*OPENED, *OTHERS])
def test_no_page_tells_another_site_its_address(anonymous, path):
    assert anonymous.get(path)["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("page", ["consent", "device"])
def test_no_page_sends_a_message_to_another_window(request, page):
    assert "postMessage" not in request.getfixturevalue(page).text


@pytest.mark.parametrize("page", ["consent", "device"])
def test_no_form_is_shown_in_a_frame(request, page):
    response = request.getfixturevalue(page)
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


def test_the_error_pages_of_django_work_in_development(anonymous, settings):
    settings.DEBUG = True
    assert "Content-Security-Policy" not in anonymous.get("/unknown").headers


@pytest.mark.parametrize("path", OPENED)
def test_a_pop_up_keeps_its_opener(anonymous, path):
    assert anonymous.get(path)["Cross-Origin-Opener-Policy"] == "unsafe-none"


def test_the_redirect_to_the_client_keeps_the_opener(browser, consent):
    response = browser.send_form(consent, allow="true")
    assert response.status_code == 302
    assert response["Cross-Origin-Opener-Policy"] == "unsafe-none"


@pytest.mark.parametrize("path", OTHERS)
def test_other_pages_have_no_opener(anonymous, path):
    assert anonymous.get(path)["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("page", ["consent", "device"])
def test_a_form_is_not_cached(request, page):
    assert "no-store" in request.getfixturevalue(page)["Cache-Control"]


@pytest.mark.parametrize("path", OPENED)
def test_a_page_with_a_form_is_not_cached(anonymous, path):
    assert "no-store" in anonymous.get(path)["Cache-Control"]


def test_the_key_set_may_be_cached(anonymous):
    assert "no-store" not in anonymous.get("/o/.well-known/jwks.json")["Cache-Control"]


@pytest.mark.parametrize(
    "address", ["https://evil.example.com/", "http://127.0.0.1:8765/callback/../x", "javascript:1"]
)
@pytest.mark.parametrize("button", [{}, {"allow": "true"}])
def test_a_tampered_consent_form_redirects_nowhere(browser, consent, address, button):
    for changes in {"redirect_uri": address}, {"client_id": "nobody"}, {"scope": ""}:
        response = browser.send_form(consent, **changes, **button)
        assert (response.status_code, "Location" in response.headers) == (400, False)
