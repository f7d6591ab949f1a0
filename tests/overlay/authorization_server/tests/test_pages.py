"""The public pages, and what makes this service ready."""

import json

import pytest
from accounts.signing_key import problem_with
from jwcrypto import jwk
from service_kit import health
from tests.entrance import send_to


def test_the_home_page_names_the_project_and_whom_to_write_to(client, settings, db):
    settings.PROJECT_NAME, settings.CONTACT_EMAIL = "My <Platform>", "admin@example.com"
    page = client.get("/").text
    assert "My &lt;Platform&gt;" in page
    assert "mailto:admin@example.com" in page


@pytest.mark.parametrize(
    "path", ["/static/gatehouse.css", "/static/admin/css/base.css", "/favicon.ico"]
)
def test_static_files_are_served_without_a_build_step(client, db, path):
    response = client.get(path, follow=True)
    response.close()
    assert response.status_code == 200


def test_pages_cannot_be_put_into_a_frame(client, db):
    assert client.get("/")["X-Frame-Options"] == "DENY"


def test_an_unknown_address_has_a_page(client, db):
    response = client.get("/unknown")
    assert response.status_code == 404
    assert "Page not found" in response.text


def ready():
    """Return the status and the states of a service with nothing cached."""
    scope = {"type": "http", "method": "GET", "path": health.READY}
    start, body = send_to(lambda threads: health.Health(threads, threads=threads), scope)
    return start["status"], json.loads(body["body"])


def test_the_service_is_ready(db):
    assert ready() == (200, {"status": "ok", "database": "ok", "signing_key": "ok"})


def test_the_service_is_not_ready_without_a_signing_key(db, settings):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_RSA_PRIVATE_KEY": ""}
    status, states = ready()
    assert (status, states["signing_key"]) == (503, "cannot be used")


def test_the_signing_key_is_parsed_once_per_process(db, monkeypatch):
    parsed = []
    from_pem = jwk.JWK.from_pem
    monkeypatch.setattr(jwk.JWK, "from_pem", lambda pem: parsed.append(pem) or from_pem(pem))
    problem_with.cache_clear()
    for _ in range(5):
        assert ready()[0] == 200
    assert len(parsed) == 1


def test_pages_refuse_an_unknown_host(client):
    assert client.get("/", headers={"Host": "attacker.example"}).status_code == 400


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_request_with_a_body_is_redirected_to_the_address_with_a_slash(client, method):
    assert getattr(client, method)("/o/token").status_code == 404


def test_a_page_without_its_slash_is_found(client):
    assert client.get("/accounts/login")["Location"] == "/accounts/login/"
