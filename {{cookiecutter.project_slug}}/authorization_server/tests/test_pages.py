"""The pages for everybody, and whether the service is well."""

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder


def test_the_home_page_leads_to_the_login_page(client, db):
    page = client.get("/").text
    assert 'href="/accounts/login/"' in page
    assert "Authorization server" in page


def test_the_home_page_names_the_project_and_whom_to_write_to(client, settings, db):
    settings.PROJECT_NAME, settings.CONTACT_EMAIL = "My <Platform>", "admin@example.com"
    page = client.get("/").text
    assert "My &lt;Platform&gt;" in page
    assert "mailto:admin@example.com" in page


def test_staff_is_led_to_the_administration_site(client, alice):
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    assert 'href="/admin/"' in client.get("/").text


@pytest.mark.parametrize("path", ["/static/gatehouse.css", "/static/admin/css/base.css"])
def test_static_files_are_served_without_a_build_step(client, db, path):
    response = client.get(path)
    response.close()
    assert response.status_code == 200


def test_pages_cannot_be_put_into_a_frame(client, db):
    assert client.get("/")["X-Frame-Options"] == "DENY"


def test_an_unknown_address_has_a_page(client, db):
    response = client.get("/unknown")
    assert response.status_code == 404
    assert "Page not found" in response.text


def test_the_service_lives(client):
    assert client.get("/health/live").json() == {"status": "ok"}


def test_the_service_is_ready(client, db):
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "signing_key": "ok"}


def test_the_service_is_not_ready_without_a_migration(client, db):
    MigrationRecorder.Migration.objects.filter(app="client_registry").delete()
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["database"] == "unavailable"


def test_the_service_is_not_ready_without_its_database(client, db):
    def fail(*args):
        raise DatabaseError("gone")

    with connection.execute_wrapper(fail):
        response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["database"] == "unavailable"
    assert "gone" not in response.text


def test_the_service_is_not_ready_without_a_signing_key(client, db, settings):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_RSA_PRIVATE_KEY": ""}
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["signing_key"] == "unavailable"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_is_never_cached(client, db, path):
    assert "no-store" in client.get(path)["Cache-Control"]


def test_an_unknown_host_is_refused(client):
    assert client.get("/health/live", headers={"Host": "attacker.example"}).status_code == 400
