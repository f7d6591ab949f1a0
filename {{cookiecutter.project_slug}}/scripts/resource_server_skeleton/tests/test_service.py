"""What every resource server has: `ping`, `whoami`, documentation, metrics and health."""

import pytest
from django.conf import settings
from django.core.management import call_command

from oauth_resource_server.testing import access_token

READ = settings.OAUTH2_PROVIDER["READ_SCOPE"]
METADATA = "/.well-known/oauth-protected-resource"


def test_ping_needs_no_token(anonymous):
    assert anonymous.get("/api/ping/").json()["name"] == settings.MANIFEST["name"]


def test_whoami_returns_the_claims_of_the_token(api_client_for):
    token = access_token(sub="alice", client_id="shop", scope=READ, iss="https://as.example.com")
    answer = api_client_for(token).get("/api/whoami/").json()
    for claim in ("sub", "client_id", "scope", "exp", "iss"):
        assert answer[claim] == getattr(token, claim)


def test_the_subject_of_a_machine_is_its_client_id(machine):
    answer = machine.get("/api/whoami/").json()
    assert answer["sub"] == answer["client_id"] == "importer"


def test_a_remembered_token_costs_no_query(alice, django_assert_num_queries):
    alice.get("/api/whoami/")
    with django_assert_num_queries(0):
        alice.get("/api/whoami/")


def test_a_request_without_a_token_is_challenged(anonymous):
    response = anonymous.get("/api/whoami/")
    challenge = response.headers["WWW-Authenticate"]
    assert (response.status_code, "error" in challenge) == (401, False)
    assert f'{METADATA}"' in challenge


@pytest.mark.parametrize("claims", [{"exp": 1}, {"aud": ("https://other.example.com",)}])
def test_an_expired_token_and_one_for_another_api_are_refused(api_client_for, claims):
    response = api_client_for(access_token(**claims)).get("/api/whoami/")
    challenge = response.headers["WWW-Authenticate"]
    assert (response.status_code, 'error="invalid_token"' in challenge) == (401, True)


@pytest.mark.parametrize("fault", ["unavailable", "refuses_credentials"])
def test_a_fault_of_the_authorization_server_is_answered_503(authorization_server, alice, fault):
    getattr(authorization_server, fault)()
    response = alice.get("/api/whoami/")
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("resource", settings.MANIFEST["audience"]),
        ("authorization_servers", [settings.AUTHORIZATION_SERVER_URL]),
        ("scopes_supported", sorted(settings.MANIFEST["scopes"])),
    ],
)
def test_the_metadata_describes_this_resource_server(anonymous, member, value):
    assert anonymous.get(METADATA).json()[member] == value


def test_the_schema_is_valid():
    call_command("spectacular", validate=True, file="/dev/null")


def test_the_schema_describes_the_api(anonymous):
    assert "/api/whoami/" in anonymous.get("/api/schema/?format=json").json()["paths"]


@pytest.mark.parametrize("format", ["json", "yaml"])
def test_the_schema_is_generated_once(anonymous, format, monkeypatch):
    first = anonymous.get(f"/api/schema/?format={format}").content
    monkeypatch.delattr("drf_spectacular.views.SpectacularAPIView.get")
    assert anonymous.get(f"/api/schema/?format={format}&attempt=2").content == first


def test_the_documentation_loads_nothing_from_another_host(anonymous):
    response = anonymous.get("/api/docs/")
    assert (response.status_code, "https://" in response.content.decode()) == (200, False)


def test_the_metrics_count_introspection(anonymous):
    assert "oauth_resource_server_seconds" in anonymous.get("/metrics").content.decode()


def test_the_metrics_are_hidden_from_other_networks(anonymous):
    response = anonymous.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
    assert response.status_code == 404


@pytest.mark.parametrize("probe", ["live", "ready"])
def test_the_service_is_healthy_without_an_authorization_server(anonymous, db, probe):
    assert anonymous.get(f"/health/{probe}").status_code == 200


def test_no_migration_is_missing(db):
    call_command("makemigrations", check=True, dry_run=True)


@pytest.mark.parametrize("path", ["/o/token/", "/o/authorize/", "/o/introspect/"])
def test_endpoints_of_an_authorization_server_are_not_served(anonymous, path):
    assert anonymous.get(path).status_code == 404
