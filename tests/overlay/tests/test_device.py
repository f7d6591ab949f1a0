"""The device authorization grant (RFC 8628): a device without a browser, by Authlib."""

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from infrastructure import client_of, log_in

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def client(stack):
    return client_of(stack, "DEMO_DEVICE")


@pytest.fixture
def device(stack, client, first):
    """Return the answer of the device authorization endpoint."""
    return requests.post(
        f"{stack.url}/o/device-authorization/",
        {"client_id": client.client_id, "scope": f"{first['name']}:read"},
        timeout=10,
    ).json()


@pytest.fixture
def poll(stack, client, device):
    """Return a function that requests the token of the device."""

    def poll():
        return client.fetch_token(
            f"{stack.url}/o/token/",
            grant_type=GRANT,
            device_code=device["device_code"],
            client_id=client.client_id,
        )

    return poll


@pytest.fixture
def decide(stack, browser, device):
    """Return a function that logs in, enters the code and decides."""

    def decide(action):
        browser.open(device["verification_uri"])
        log_in(stack, browser)
        browser.submit(user_code=device["user_code"])
        browser.submit(action=action)

    return decide


def test_the_device_gets_a_token_that_the_api_accepts(stack, poll, decide, get, first):
    decide("accept")
    assert get(stack.api(first["name"]), poll()["access_token"]).status_code == 200


def test_the_device_waits_for_the_decision_of_the_person(poll):
    with pytest.raises(OAuthError, match="authorization_pending"):
        poll()


def test_a_device_that_is_denied_gets_no_token(poll, decide):
    decide("deny")
    with pytest.raises(OAuthError, match="access_denied"):
        poll()


def test_a_device_code_can_be_used_once(poll, decide):
    decide("accept")
    poll()
    with pytest.raises(OAuthError):
        poll()
