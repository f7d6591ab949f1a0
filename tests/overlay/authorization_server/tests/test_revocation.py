"""The revocation endpoint (RFC 7009)."""

import pytest
from tests.flows import basic, is_active, machine_token, post_form, refresh

pytestmark = pytest.mark.usefixtures("registered")


def revoke(token, headers=None, **data):
    return post_form("/o/revoke_token/", {"token": token} | data, headers)


def test_a_revoked_token_is_inactive():
    token = machine_token()
    assert revoke(token, basic("demo-machine")).status_code == 200
    assert not is_active(token)


def test_the_refresh_token_goes_with_its_access_token(browser):
    tokens = browser.tokens().json()
    revoke(tokens["access_token"], client_id="demo-browser")
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_access_token_goes_with_its_refresh_token(browser):
    tokens = browser.tokens().json()
    revoke(tokens["refresh_token"], client_id="demo-browser")
    assert not is_active(tokens["access_token"])


def test_the_token_of_another_client_is_not_revoked(browser):
    token = machine_token()
    assert revoke(token, client_id="demo-browser").status_code == 200
    assert is_active(token)


def test_an_unknown_token_is_no_error():
    assert revoke("unknown", basic("demo-machine")).status_code == 200


def test_a_confidential_client_has_to_authenticate():
    token = machine_token()
    assert revoke(token, client_id="demo-machine").status_code == 401
    assert is_active(token)


def test_the_response_is_json(browser):
    tokens = browser.tokens().json()
    response = revoke(tokens["access_token"], client_id="demo-browser")
    assert response["Content-Type"] == "application/json"
    assert response.json() == {}
