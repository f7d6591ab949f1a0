"""The size of bodies and parameters is bounded at every endpoint."""

import json

import pytest
from client_registry.models import RegisteredClient
from django.test import Client
from oauth.requests import MAX_BODY_SIZE, MAX_LENGTHS, NEEDED_TO_REDIRECT
from oauth2_provider.models import AccessToken, DeviceGrant, Grant, RefreshToken
from tests.devices import start_device
from tests.flows import (
    CHALLENGE,
    FORM,
    basic,
    exchange,
    introspect,
    parameters_of,
    post_form,
    refresh,
    request_token,
)

pytestmark = pytest.mark.usefixtures("registered")

PATHS = [
    "/",
    "/accounts/login/",
    "/admin/login/",
    "/o/authorize/",
    "/o/device-authorization/",
    "/o/device/",
    "/o/logout/",
    "/o/revoke_token/",
    "/o/token/",
    "/o/userinfo/",
    "/.well-known/openid-configuration",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_body_over_64_kib_is_refused(path):
    response = Client().post(path, b"a" * (MAX_BODY_SIZE + 1), content_type=FORM)
    assert response.status_code == 413
    assert response.json()["error"] == "invalid_request"


def test_a_length_that_is_no_number_is_refused():
    response = Client().post("/o/token/", b"a", content_type=FORM, CONTENT_LENGTH="-1")
    assert response.status_code == 413


@pytest.mark.parametrize("name", sorted(MAX_LENGTHS))
@pytest.mark.parametrize("path", ["/o/token/", "/o/device-authorization/", "/o/revoke_token/"])
def test_a_parameter_that_is_too_long_is_refused(path, name):
    response = post_form(path, {name: "a" * (MAX_LENGTHS[name] + 1)})
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
    assert name in response.json()["error_description"]


@pytest.mark.parametrize("name", sorted(NEEDED_TO_REDIRECT))
def test_an_authorization_request_with_a_parameter_that_is_too_long_is_refused(browser, name):
    response = browser.authorize(**{name: "a" * (MAX_LENGTHS[name] + 1)})
    assert response.status_code == 400
    assert "invalid_request" in response.text


@pytest.mark.parametrize("name", sorted(MAX_LENGTHS.keys() - NEEDED_TO_REDIRECT))
def test_the_client_learns_that_a_parameter_is_too_long(browser, name):
    response = parameters_of(browser.authorize(**{name: "a" * (MAX_LENGTHS[name] + 1)}))
    assert response["error"] in ("invalid_request", "unsupported_response_type")


@pytest.mark.parametrize("name", ["claims", "nonce", "scope", "state"])
def test_a_consent_form_with_a_parameter_that_is_too_long_is_refused(browser, name):
    page = browser.authorize()
    response = browser.send_form(page, allow="true", **{name: "a" * (MAX_LENGTHS[name] + 1)})
    assert response.status_code == 400
    assert Grant.objects.count() == 0


def test_an_unknown_parameter_is_bounded():
    response = post_form("/o/revoke_token/", {"token": "a" * 16_385})
    assert response.json()["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["/o/token/", "/o/device-authorization/"])
def test_a_parameter_with_several_values_is_refused(path):
    response = post_form(path, {"client_id": ["demo-device", "demo-browser"]})
    assert response.status_code == 400
    assert response.json()["error_description"] == "The parameter client_id has several values."


@pytest.mark.parametrize("parameter", ["%zz", "state=%00", "access_token=token"])
@pytest.mark.parametrize("path", ["/o/token/", "/o/userinfo/", "/o/logout/", "/o/authorize/"])
def test_a_query_that_must_not_be_read_is_refused(browser, path, parameter):
    assert browser.get(f"{path}?{parameter}").status_code == 400


@pytest.mark.parametrize("name", ["code", "client_id", "redirect_uri", "code_verifier"])
def test_a_nul_character_is_refused(browser, name):
    response = exchange(browser.consent()["code"], **{name: "\0"})
    assert response.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"a"),
        (FORM, b"&".join(b"a%d=" % number for number in range(2000))),
    ],
)
def test_a_body_that_is_not_a_form_is_refused(content_type, body):
    response = Client().post("/o/token/", body, content_type=content_type)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


def test_the_longest_parameters_that_are_accepted_fit_into_the_database(browser):
    answer = browser.consent(
        nonce="n" * MAX_LENGTHS["nonce"],
        state="s" * MAX_LENGTHS["state"],
        claims=json.dumps({"userinfo": {"a": "c" * 4000}}),
        code_challenge=CHALLENGE,
    )
    assert answer["state"] == "s" * MAX_LENGTHS["state"]
    assert Grant.objects.get().nonce == "n" * MAX_LENGTHS["nonce"]


# ---- Scopes ----

REPEATED = " ".join(["orders:read"] * 100)


def test_a_scope_that_is_repeated_20000_times_is_refused():
    scope = " ".join(["orders:read"] * 20_000)
    response = request_token(basic("demo-machine"), grant_type="client_credentials", scope=scope)
    assert response.status_code == 413
    assert AccessToken.objects.count() == 0


def test_the_token_of_a_machine_has_each_scope_once():
    token = request_token(
        basic("demo-machine"), grant_type="client_credentials", scope=REPEATED
    ).json()
    assert token["scope"] == "orders:read"
    assert introspect(token["access_token"]).json()["scope"] == "orders:read"


def test_an_authorization_code_has_each_scope_once(browser):
    code = browser.consent(scope=REPEATED)["code"]
    assert Grant.objects.get().scope == "orders:read"
    assert exchange(code).json()["scope"] == "orders:read"


def test_a_tampered_consent_form_brings_no_repeated_scopes(browser):
    browser.send_form(browser.authorize(scope="orders:read"), allow="true", scope=REPEATED)
    assert Grant.objects.get().scope == "orders:read"


def test_a_refreshed_token_has_each_scope_once(browser):
    tokens = browser.tokens(scope="orders:read").json()
    refreshed = refresh(tokens["refresh_token"], scope=REPEATED).json()
    assert refreshed["scope"] == "orders:read"
    assert set(AccessToken.objects.values_list("scope", flat=True)) == {"orders:read"}
    assert RefreshToken.objects.filter(revoked=None).count() == 1


def test_a_device_code_has_each_scope_once():
    start_device(scope=REPEATED)
    assert DeviceGrant.objects.get().scope == "orders:read"


def test_a_device_gets_no_code_for_an_unknown_scope():
    RegisteredClient.objects.filter(name="demo-device").update(scopes=["orders:read"])
    response = start_device(scope="orders:read orders:unknown")
    assert response.json()["error"] == "invalid_scope"
    assert DeviceGrant.objects.count() == 0
