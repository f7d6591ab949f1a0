"""The discovery documents (RFC 8414, OpenID Connect Discovery) say what is really offered."""

import pytest
from django.urls import NoReverseMatch, resolve, reverse

pytestmark = pytest.mark.usefixtures("registered")
OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
BASE = "http://localhost:8000"


@pytest.fixture(params=[OAUTH, OPENID])
def document(request, client):
    """Return either of the documents."""
    return client.get(request.param).json()


def test_the_issuer_does_not_come_from_the_request(client):
    document = client.get(OAUTH, headers={"Host": "127.0.0.1:9999"}).json()
    assert document["issuer"] == BASE
    assert document["token_endpoint"] == f"{BASE}/o/token/"


def test_the_issuer_is_the_public_address(document):
    assert document["issuer"] == BASE


def test_every_endpoint_is_there(document):
    assert {
        name: address.removeprefix(BASE)
        for name, address in document.items()
        if name.endswith("_endpoint") or name == "jwks_uri"
    }.items() >= {
        "authorization_endpoint": "/o/authorize/",
        "token_endpoint": "/o/token/",
        "introspection_endpoint": "/o/introspect/",
        "revocation_endpoint": "/o/revoke_token/",
        "device_authorization_endpoint": "/o/device-authorization/",
        "jwks_uri": "/o/.well-known/jwks.json",
    }.items()


def test_every_address_leads_somewhere(document):
    for name, address in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert resolve(address.removeprefix(BASE))


def test_only_what_is_offered_is_named(document):
    assert document["response_types_supported"] == ["code"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["grant_types_supported"] == [
        "authorization_code",
        "client_credentials",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
    ]


def test_public_clients_are_welcome(document):
    methods = ["client_secret_basic", "client_secret_post", "none"]
    assert document["token_endpoint_auth_methods_supported"] == methods


def test_introspection_has_methods_of_its_own(document):
    methods = document["introspection_endpoint_auth_methods_supported"]
    assert methods == ["client_secret_basic", "Bearer"]


def test_the_scopes_are_those_of_the_manifests(document):
    assert set(document["scopes_supported"]) == {
        *("openid", "profile", "email"),
        *("orders:read", "orders:write", "inventory:read", "inventory:write"),
    }


def test_the_issuer_is_in_authorization_responses(document):
    assert document["authorization_response_iss_parameter_supported"] is True


def test_openid_connect_names_its_own_endpoints(client):
    document = client.get(OPENID).json()
    assert document["userinfo_endpoint"] == f"{BASE}/o/userinfo/"
    assert document["end_session_endpoint"] == f"{BASE}/o/logout/"


def test_openid_connect_names_claims_and_algorithms(client):
    document = client.get(OPENID).json()
    assert {"email", "name", "sub"} <= set(document["claims_supported"])
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]


@pytest.mark.parametrize("path", [OAUTH, OPENID, "/o/.well-known/jwks.json"])
def test_scripts_on_any_web_page_can_read_it(client, path):
    assert client.get(path)["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "name", ["list", "register", "authorized-token-list", "dcr-register", "oauth-server-metadata"]
)
def test_nothing_of_the_toolkit_is_there_that_was_not_chosen(name):
    with pytest.raises(NoReverseMatch):
        reverse(f"oauth2_provider:{name}")


@pytest.mark.parametrize("path", ["/o/applications/", "/o/applications/register/", "/o/register/"])
def test_nobody_can_register_an_application(browser, path):
    assert browser.get(path).status_code == 404
