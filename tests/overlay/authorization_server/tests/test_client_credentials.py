"""The client credentials flow (RFC 6749 section 4.4), and client authentication."""

import pytest
from client_registry.models import RegisteredClient
from django.contrib.auth.hashers import make_password
from oauth2_provider.models import AccessToken, Application
from tests.flows import basic, machine_token, request_token, secret_of

pytestmark = pytest.mark.usefixtures("registered")


def request(headers=None, **data):
    return request_token(headers, grant_type="client_credentials", **data)


def test_a_machine_gets_a_token_for_itself():
    tokens = request(basic("demo-machine"), scope="orders:read").json()
    assert tokens["scope"] == "orders:read"
    assert tokens["expires_in"] == 600
    assert "refresh_token" not in tokens


def test_a_machine_may_send_its_credentials_in_the_body():
    secret = secret_of("demo-machine")
    assert request(client_id="demo-machine", client_secret=secret).status_code == 200


def test_a_request_without_scope_gets_the_default():
    scope = request(basic("demo-machine")).json()["scope"]
    assert scope.split() == ["inventory:read", "orders:read"]


def test_a_request_without_scope_is_refused_where_there_is_no_default():
    RegisteredClient.objects.filter(name="demo-machine").update(default_scopes=[])
    assert request(basic("demo-machine")).json()["error"] == "invalid_scope"


@pytest.mark.parametrize("scope", ["introspection", "openid", "email", "orders:unknown", "*"])
def test_a_machine_does_not_get_a_scope_that_is_not_its_own(scope):
    assert request(basic("demo-machine"), scope=scope).json()["error"] == "invalid_scope"


def test_the_client_of_a_resource_server_gets_the_scope_introspection():
    tokens = request(basic("orders-introspection"), scope="introspection").json()
    assert tokens["scope"] == "introspection"


def test_the_client_of_a_resource_server_gets_no_other_scope():
    response = request(basic("orders-introspection"), scope="orders:read")
    assert response.json()["error"] == "invalid_scope"


@pytest.mark.parametrize(
    "headers",
    [
        None,
        basic("demo-machine", "wrong"),
        basic("demo-machine", ""),
        basic("nobody", "anything"),
        basic("no%00body", "anything"),
        {"Authorization": "Basic ???"},
    ],
)
def test_a_client_that_does_not_authenticate_is_refused(headers):
    response = request(headers)
    assert response.status_code == 401
    assert response.json() == {"error": "invalid_client"}
    assert response["WWW-Authenticate"].startswith("Basic ")


def test_a_public_client_is_not_authenticated_by_an_empty_secret():
    Application.objects.update(authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS)
    assert request(client_id="demo-browser", client_secret="").status_code == 401
    assert request(basic("demo-browser", "")).status_code == 401


def test_a_client_of_another_flow_is_refused():
    Application.objects.update(authorization_grant_type=Application.GRANT_DEVICE_CODE)
    assert request(basic("demo-machine")).json()["error"] == "unauthorized_client"


def test_a_client_that_is_switched_off_is_refused():
    RegisteredClient.objects.filter(name="demo-machine").update(is_active=False)
    assert request(basic("demo-machine")).json()["error"] == "invalid_client"


def test_an_application_that_is_not_registered_is_refused():
    RegisteredClient.objects.filter(name="demo-machine").delete()
    assert request(basic("demo-machine")).json()["error"] == "invalid_client"


def test_the_hash_of_a_secret_is_not_the_secret_once_its_hasher_is_gone():
    stored = "gone_sha256$salt$0123456789"
    Application.objects.filter(client_id="demo-machine").update(client_secret=stored)
    assert request(basic("demo-machine", stored)).status_code == 401


def test_a_secret_that_is_stored_in_clear_is_never_accepted():
    Application.objects.filter(client_id="demo-machine").update(client_secret="in-clear")
    assert request(basic("demo-machine", "in-clear")).status_code == 401


def test_a_secret_that_is_stored_by_a_slow_hasher_is_refused():
    stored = make_password("secret", hasher="pbkdf2_sha256")
    Application.objects.filter(client_id="demo-machine").update(client_secret=stored)
    assert request(basic("demo-machine", "secret")).status_code == 401


def test_the_password_grant_is_refused(alice):
    Application.objects.filter(client_id="demo-machine").update(
        authorization_grant_type=Application.GRANT_PASSWORD
    )
    response = request_token(
        basic("demo-machine"), grant_type="password", username="alice@example.com", password="x"
    )
    assert response.status_code in (400, 401)


def test_parameters_cannot_pose_as_results():
    token = machine_token(user="somebody", client="somebody", scopes="introspection")
    assert token
    assert AccessToken.objects.get().user is None


def test_a_resource_restricts_the_token():
    machine_token(resource="https://orders.example.com")
    assert AccessToken.objects.get().resource == ["https://orders.example.com"]


@pytest.mark.parametrize(
    "resource",
    ["https://other.example.com", ["https://orders.example.com", "https://other.example.com"]],
)
def test_an_unknown_resource_is_refused(resource):
    response = request(basic("demo-machine"), resource=resource)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_target"


def test_a_query_that_cannot_be_decoded_is_refused(client):
    assert client.post("/o/token/?%zz").status_code == 400
