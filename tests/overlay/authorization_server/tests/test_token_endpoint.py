"""The token endpoint dispatches the grants that the metadata offer, and no other."""

import pytest
from accounts.models import User
from django.contrib.auth import hashers
from oauth2_provider.models import Application
from tests.devices import start_device
from tests.flows import FORM, MACHINE, basic, exchange, post_form, request_token, secret_of

pytestmark = pytest.mark.usefixtures("registered")

PASSWORD = "correct horse battery staple"


@pytest.fixture
def carol(db):
    """Return a user with a password."""
    return User.objects.create_user("carol@example.com", PASSWORD)


@pytest.fixture
def hashes(monkeypatch):
    """Return the list of passwords that were hashed."""
    hashed = []

    def encode(self, password, *args, **kwargs):
        hashed.append(password)
        return "pbkdf2_sha256$1$salt$hash"

    monkeypatch.setattr(hashers.PBKDF2PasswordHasher, "encode", encode)
    return hashed


def try_password(password, client_id="demo-browser"):
    return request_token(
        grant_type="password",
        client_id=client_id,
        username="carol@example.com",
        password=password,
    )


def test_the_password_grant_is_refused(carol):
    response = try_password(PASSWORD)
    assert response.status_code == 400
    assert response.json() == {"error": "unsupported_grant_type"}


def test_right_and_wrong_passwords_get_the_same_answer(carol):
    assert try_password(PASSWORD).content == try_password("wrong").content


def test_no_password_is_hashed_at_the_token_endpoint(carol, hashes):
    try_password(PASSWORD)
    try_password("wrong")
    assert hashes == []


def test_a_client_with_the_password_grant_does_not_change_that(carol, hashes):
    Application.objects.filter(client_id="demo-browser").update(
        authorization_grant_type=Application.GRANT_PASSWORD
    )
    assert try_password(PASSWORD).json() == {"error": "unsupported_grant_type"}
    assert hashes == []


def test_the_setting_of_the_metadata_alone_brings_no_password_grant_back(carol, hashes, settings):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {
        "OAUTH2_GRANT_TYPES_SUPPORTED": ["password"]
    }
    assert try_password(PASSWORD).status_code == 400
    assert hashes == []


@pytest.mark.parametrize("grant_type", ["implicit", "urn:ietf:params:oauth:grant-type:saml2", ""])
def test_a_grant_that_the_metadata_do_not_offer_is_refused(grant_type):
    response = request_token(grant_type=grant_type, client_id="demo-browser")
    assert response.status_code == 400
    assert response.json() == {"error": "unsupported_grant_type"}


def test_a_request_without_grant_type_is_refused():
    response = request_token(client_id="demo-browser")
    assert response.status_code == 400
    assert response.json() == {"error": "invalid_request"}


@pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/", "/o/device-authorization/"])
def test_a_body_of_json_is_refused_with_the_name_of_the_content_type(path):
    response = MACHINE.post(path, {"client_id": "demo-device"}, content_type="application/json")
    assert response.status_code == 400
    assert response.json() == {
        "error": "invalid_request",
        "error_description": f"The content type is not {FORM}.",
    }


@pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/", "/o/device-authorization/"])
def test_a_client_that_is_not_authenticated_is_asked_for_basic_credentials(path):
    body = "client_id=demo-machine&token=a&grant_type=client_credentials"
    response = MACHINE.post(path, body, content_type=FORM)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Basic ")
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "Basic"])
def test_the_scheme_basic_may_be_in_lower_case(scheme):
    headers = {"Authorization": basic("demo-machine")["Authorization"].replace("Basic", scheme)}
    assert request_token(headers, grant_type="client_credentials").status_code == 200


@pytest.mark.parametrize("client_id", [None, "demo-browser"])
def test_a_public_client_may_send_basic_credentials_without_a_secret(browser, client_id):
    code = browser.consent()["code"]
    response = exchange(code, headers=basic("demo-browser", ""), client_id=client_id)
    assert response.status_code == 200


def test_a_public_client_with_a_wrong_secret_is_refused(browser):
    headers = basic("demo-browser", "wrong")
    assert exchange(browser.consent()["code"], headers=headers).status_code == 401


def test_a_public_client_cannot_name_another_client_beside_its_credentials(browser):
    code = browser.consent()["code"]
    response = exchange(code, headers=basic("demo-browser", ""), client_id="demo-device")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/"])
@pytest.mark.parametrize(
    "body",
    [
        {"client_id": "demo-browser"},
        {"client_secret": secret_of("demo-machine")},
        {"client_id": "demo-machine", "client_secret": "wrong"},
    ],
)
def test_a_client_authenticates_in_one_way(path, body):
    form = {"grant_type": "client_credentials", "token": "a"} | body
    response = post_form(path, form, basic("demo-machine"))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert "Authorization header" in response.json()["error_description"]


@pytest.mark.parametrize("body", [{"client_id": "demo-machine"}, {"client_secret": ""}])
def test_a_client_may_repeat_its_client_id_beside_basic_credentials(body):
    response = request_token(basic("demo-machine"), grant_type="client_credentials", **body)
    assert response.status_code == 200


def test_a_confidential_client_with_an_empty_secret_is_refused():
    response = request_token(basic("demo-machine", ""), grant_type="client_credentials")
    assert response.status_code == 401


def test_a_device_may_send_its_client_id_by_basic_only():
    assert start_device(client_id=None, headers=basic("demo-device", "")).status_code == 200


def test_the_client_id_of_a_device_belongs_in_the_body():
    response = MACHINE.post("/o/device-authorization/?client_id=demo-device", content_type=FORM)
    assert response.status_code == 400
    assert response.json()["error_description"] == "The parameter client_id is missing."
