"""The device flow (RFC 8628)."""

from datetime import timedelta

import pytest
from client_registry.models import RegisteredClient
from django.utils import timezone
from oauth.validator import RegisteredClientValidator
from oauth2_provider.models import AccessToken, DeviceGrant
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError
from tests.devices import connect, poll, start_device
from tests.flows import Browser, introspect, post_form, refresh

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def device():
    """Return what a device shows and keeps."""
    return start_device().json()


def test_a_device_gets_codes_and_an_address(device):
    assert device["verification_uri"] == "http://localhost:8000/o/device/"
    assert device["verification_uri_complete"].endswith(f"?user_code={device['user_code']}")
    assert device["interval"] == 5
    assert device["expires_in"] == 1800


def test_codes_are_not_to_be_stored_by_proxies():
    assert start_device()["Cache-Control"] == "no-store"


def test_the_device_gets_the_tokens_of_alice(device, browser, alice):
    connect(browser, device["user_code"])
    tokens = poll(device["device_code"]).json()
    assert tokens["scope"] == "orders:read"
    assert introspect(tokens["access_token"]).json()["sub"] == str(alice.pk)


def test_the_device_can_refresh_its_tokens(device, browser):
    connect(browser, device["user_code"])
    tokens = poll(device["device_code"]).json()
    assert refresh(tokens["refresh_token"], client_id="demo-device").status_code == 200


def test_the_page_for_the_code_is_filled_in_by_the_complete_address(device, browser):
    page = browser.get(device["verification_uri_complete"])
    assert f'value="{device["user_code"]}"' in page.text


def test_the_confirmation_page_says_what_the_scopes_mean(device, browser):
    confirmation = browser.post("/o/device/", {"user_code": device["user_code"]})
    page = browser.get(confirmation["Location"])
    assert "See your orders" in page.text
    assert "Demo device" in page.text
    assert device["user_code"] in page.text


def test_the_page_that_says_connected_is_there_after_the_device_has_its_tokens(device, browser):
    status = connect(browser, device["user_code"])
    poll(device["device_code"])
    assert "Device connected" in browser.get(status["Location"]).text


def test_a_device_without_scope_gets_the_default():
    start_device(scope=None)
    assert DeviceGrant.objects.get().scope == "inventory:read orders:read"


def test_an_unknown_code_is_refused_by_the_page(browser):
    assert "Incorrect user code" in browser.post("/o/device/", {"user_code": "WRONG"}).text


@pytest.mark.parametrize("spelling", ["{0}{1}", "{0}-{1}", " {0} {1} ", "{0}_{1}"])
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_a_code_may_be_typed_in_lower_case_and_with_hyphens(device, browser, spelling, case):
    code = device["user_code"]
    typed = case(spelling.format(code[:4], code[4:]))
    connect(browser, typed)
    assert poll(device["device_code"]).status_code == 200


def test_wrong_codes_are_limited(browser):
    pages = [browser.post("/o/device/", {"user_code": f"WRONG{n}"}) for n in range(12)]
    assert [page.status_code for page in pages[:10]] == [200] * 10
    assert pages[-1].status_code == 429


def test_somebody_has_to_be_signed_in(client):
    assert client.get("/o/device/")["Location"].startswith("/accounts/login/")


def test_a_device_waits_until_somebody_has_decided(device):
    response = poll(device["device_code"])
    assert response.status_code == 400
    assert response.json()["error"] == "authorization_pending"


def test_a_device_that_polls_too_fast_is_told_to_slow_down(device):
    errors = [poll(device["device_code"]).json()["error"] for _ in range(6)]
    assert errors == ["authorization_pending"] * 2 + ["slow_down"] * 4


def test_a_device_that_polled_too_fast_gets_its_tokens(device, browser):
    for _ in range(6):
        poll(device["device_code"])
    connect(browser, device["user_code"])
    assert poll(device["device_code"]).status_code == 200


def test_a_device_is_told_that_it_was_denied(device, browser):
    connect(browser, device["user_code"], action="deny")
    assert poll(device["device_code"]).json()["error"] == "access_denied"


def test_a_code_works_once(device, browser):
    connect(browser, device["user_code"])
    poll(device["device_code"])
    assert poll(device["device_code"]).json()["error"] == "expired_token"
    assert AccessToken.objects.count() == 1


def test_of_two_polls_at_the_same_time_one_gets_a_token(device, browser):
    connect(browser, device["user_code"])
    poll(device["device_code"])
    # The other one has found the code as it was before.
    request = Request("/o/token/", body={"device_code": device["device_code"]})
    with pytest.raises(InvalidGrantError):
        RegisteredClientValidator()._use_up_device_code(request)


def test_a_code_works_until_it_expires(device, browser):
    connect(browser, device["user_code"])
    DeviceGrant.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert poll(device["device_code"]).json()["error"] == "expired_token"


@pytest.fixture
def other_device(registered):
    """Register another client of the device flow."""
    application = RegisteredClient.objects.get(name="demo-device").application
    application.pk, application.client_id = None, "other-device"
    application.save()
    RegisteredClient.objects.create(application=application, name="other-device", scopes=["*"])


@pytest.mark.usefixtures("other_device")
def test_a_code_works_for_its_own_client_only(device, browser):
    connect(browser, device["user_code"])
    response = poll(device["device_code"], client_id="other-device")
    assert response.json()["error"] == "invalid_grant"
    assert poll(device["device_code"]).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"device_code": "unknown"}, "invalid_grant"),
        ({"device_code": None}, "invalid_request"),
        ({"client_id": "demo-browser"}, "unauthorized_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": None}, "invalid_client"),
    ],
)
def test_a_poll_is_refused(device, changes, error):
    response = poll(device["device_code"], **changes)
    assert response.status_code in (400, 401)
    assert response.json()["error"] == error


def test_a_poll_cannot_add_a_scope(device, browser):
    connect(browser, device["user_code"])
    tokens = poll(device["device_code"], scope="orders:read orders:write").json()
    assert tokens["scope"] == "orders:read"


def test_a_code_of_somebody_who_was_deactivated_meanwhile_is_refused(device, browser, alice):
    connect(browser, device["user_code"])
    type(alice).objects.update(is_active=False)
    assert poll(device["device_code"]).json()["error"] == "invalid_grant"


def test_a_scope_that_was_taken_away_meanwhile_is_refused(device, browser):
    connect(browser, device["user_code"])
    RegisteredClient.objects.filter(name="demo-device").update(scopes=["inventory:*"])
    assert poll(device["device_code"]).json()["error"] == "invalid_scope"


def test_a_client_that_was_switched_off_meanwhile_is_refused(device, browser):
    connect(browser, device["user_code"])
    RegisteredClient.objects.filter(name="demo-device").update(is_active=False)
    assert poll(device["device_code"]).json()["error"] == "invalid_client"


def test_nobody_else_can_confirm_the_code(device, browser, bob):
    confirmation = browser.post("/o/device/", {"user_code": device["user_code"]})
    other = Browser()
    other.force_login(bob)
    assert other.post(confirmation["Location"], {"action": "accept"}).status_code == 404


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "nobody"}, "invalid_request"),
        ({"client_id": None}, "invalid_request"),
        ({"client_id": "demo-browser"}, "unauthorized_client"),
        ({"scope": "introspection"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
    ],
)
def test_a_device_is_refused(changes, error):
    response = start_device(**changes)
    assert response.status_code == 400
    assert response.json()["error"] == error
    assert DeviceGrant.objects.count() == 0


def test_a_confidential_client_has_to_authenticate():
    assert start_device(client_id="demo-machine").status_code == 401


def test_a_client_that_is_switched_off_gets_no_codes():
    RegisteredClient.objects.filter(name="demo-device").update(is_active=False)
    assert post_form("/o/device-authorization/", {"client_id": "demo-device"}).status_code == 400
