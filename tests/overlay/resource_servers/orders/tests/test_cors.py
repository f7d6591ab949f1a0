"""Scripts of web pages call the API if their origin is listed (CORS)."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

ORIGIN = "http://localhost:5173"
PATHS = ["/api/items/", "/api/whoami/", "/api/ping/", "/.well-known/oauth-protected-resource"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def _listed(settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]


def preflight(client, path, origin=ORIGIN):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return client.options(path, headers=headers)


def allowed(response):
    return response.headers.get("Access-Control-Allow-Origin")


def test_the_only_origin_by_default_is_that_of_the_playground():
    assert settings.CORS_ALLOWED_ORIGINS == [settings.AUTHORIZATION_SERVER_URL]


def test_production_lists_no_origin_and_tells_no_page_its_source():
    names = "s.CORS_ALLOWED_ORIGINS, 'timing' in str(s.MIDDLEWARE), s.OAUTH_RESOURCE_SERVER"
    process = subprocess.run(
        [sys.executable, "-c", f"from config import settings as s; print({names})"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"ENVIRONMENT": "production"},
        capture_output=True,
        encoding="utf-8",
    )
    assert process.stdout.startswith("[] False "), process.stderr
    assert "service_kit.timing" not in process.stdout


def test_the_playground_can_read_where_an_answer_came_from(alice):
    response = alice.get("/api/whoami/", headers={"Origin": settings.AUTHORIZATION_SERVER_URL})
    assert "total;dur=" in response.headers["Server-Timing"]
    assert "Server-Timing" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.usefixtures("_listed")
@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_needs_no_token(anonymous, path):
    response = preflight(anonymous, path)
    assert (response.status_code, allowed(response)) == (200, ORIGIN)
    assert "authorization" in response.headers["Access-Control-Allow-Headers"]
    assert "DELETE" in response.headers["Access-Control-Allow-Methods"]


@pytest.mark.usefixtures("_listed")
@pytest.mark.parametrize("path", PATHS[:3])  # The metadata are public.
@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", f"{ORIGIN}0"])
def test_another_origin_is_not_allowed(anonymous, path, origin):
    responses = [
        preflight(anonymous, path, origin),
        anonymous.get(path, headers={"Origin": origin}),
    ]
    assert [allowed(each) for each in responses] == [None, None]


@pytest.mark.parametrize("path", PATHS)
def test_a_cache_keeps_the_responses_to_each_origin_apart(anonymous, path):
    assert "origin" in anonymous.get(path).headers["Vary"].lower()


@pytest.mark.usefixtures("_listed")
def test_a_challenge_can_be_read(anonymous):
    response = anonymous.get("/api/whoami/", headers={"Origin": ORIGIN})
    assert (response.status_code, allowed(response)) == (401, ORIGIN)
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.usefixtures("_listed")
def test_an_outage_can_be_read(authorization_server, alice):
    authorization_server.unavailable()
    response = alice.get("/api/whoami/", headers={"Origin": ORIGIN})
    assert (response.status_code, allowed(response)) == (503, ORIGIN)
    assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.usefixtures("_listed")
def test_no_cookie_may_be_sent(anonymous):
    assert "Access-Control-Allow-Credentials" not in preflight(anonymous, "/api/items/").headers
