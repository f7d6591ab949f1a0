"""The documents that describe this resource server to clients, people and machines."""

from django.conf import settings
from django.core.management import call_command


def test_the_metadata_names_this_resource_server(stranger):
    document = stranger.get("/.well-known/oauth-protected-resource").json()
    assert document["resource"] == settings.MANIFEST["audience"]


def test_the_metadata_names_the_authorization_server(stranger):
    document = stranger.get("/.well-known/oauth-protected-resource").json()
    assert document["authorization_servers"] == [settings.AUTHORIZATION_SERVER_URL]


def test_the_metadata_names_the_scopes_of_the_manifest(stranger):
    document = stranger.get("/.well-known/oauth-protected-resource").json()
    assert document["scopes_supported"] == sorted(settings.MANIFEST["scopes"])


def test_the_schema_describes_every_path(stranger):
    schema = stranger.get("/api/schema/?format=json").json()
    assert set(schema["paths"]) == {
        "/api/ping/",
        "/api/whoami/",
        "/api/items/",
        "/api/items/{id}/",
    }


def test_the_schema_has_no_warnings():
    call_command("spectacular", validate=True, fail_on_warn=True, file="/dev/null")


def test_the_docs_page_opens_without_a_token(stranger):
    assert stranger.get("/api/docs/").status_code == 200


def test_the_docs_page_loads_nothing_from_elsewhere(stranger):
    assert "https://" not in stranger.get("/api/docs/").content.decode()


def test_the_metrics_count_introspections(stranger):
    assert "oauth_resource_server_seconds" in stranger.get("/metrics").content.decode()


def test_the_metrics_are_not_for_the_internet(stranger):
    response = stranger.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
    assert response.status_code == 404


def test_it_is_alive_without_an_authorization_server(stranger):
    assert stranger.get("/health/live").status_code == 200


def test_it_stays_ready_while_the_authorization_server_is_down(stranger, db):
    assert stranger.get("/health/ready").status_code == 200


def test_no_other_endpoint_of_the_toolkit_is_mounted(stranger):
    assert [stranger.get(path).status_code for path in ("/o/token/", "/o/authorize/")] == [404, 404]


def test_no_migration_is_missing(db):
    call_command("makemigrations", check=True, dry_run=True)
