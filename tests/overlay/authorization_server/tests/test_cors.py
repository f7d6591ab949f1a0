"""Scripts of web pages read responses if their origin is declared by an active client (CORS)."""

import pytest
from client_registry.models import RegisteredClient
from django.conf import settings
from django.core.management import call_command
from tests.flows import bearer, exchange

ORIGIN = "http://localhost:5173"
TOKEN, REVOKE, USERINFO = "/o/token/", "/o/revoke_token/", "/o/userinfo/"
METADATA = [
    *("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"),
    "/o/.well-known/jwks.json",
]
PAGES = [
    *("/o/authorize/", "/accounts/login/", "/o/logout/", "/o/device/", "/", "/admin/login/"),
    *("/o/introspect/", "/o/device-authorization/", "/o/token/other/"),
]


@pytest.fixture(autouse=True)
def _declared(db, tmp_path, monkeypatch):
    """Register the clients of the tests, of which demo-browser is a web page."""
    copy = tmp_path / "clients.toml"
    text = settings.CLIENTS_FILE.read_text("utf-8")
    page = f'[demo-browser]\nallowed_origins = ["{ORIGIN}", "https://shop.example.com"]\n'
    copy.write_text(text.replace("[demo-browser]\n", page), "utf-8")
    monkeypatch.setattr(settings, "CLIENTS_FILE", copy)
    call_command("ensure_clients")


def send(client, method, path, origin, **headers):
    return client.generic(method, path, headers={"Origin": origin} | headers)


def preflight(client, path, origin=ORIGIN, method="POST"):
    return send(
        client,
        "OPTIONS",
        path,
        origin,
        **{
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )


def allowed(response):
    return response.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("origin", [ORIGIN, "https://shop.example.com"])
@pytest.mark.parametrize("path", [TOKEN, REVOKE, USERINFO, *METADATA])
def test_a_preflight_is_answered_for_a_declared_origin(client, path, origin):
    response = preflight(client, path, origin)
    assert (response.status_code, allowed(response)) == (200, origin)
    assert "authorization" in response["Access-Control-Allow-Headers"]
    assert "POST" in response["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("path", [TOKEN, REVOKE, USERINFO])
def test_an_error_can_be_read(client, path):
    response = send(client, "POST", path, ORIGIN)
    assert (response.status_code, allowed(response)) in {(400, ORIGIN), (401, ORIGIN)}
    assert "WWW-Authenticate" in response["Access-Control-Expose-Headers"]


def test_the_claims_of_the_user_can_be_read(browser):
    headers = bearer(browser.tokens().json()["access_token"])
    response = send(browser, "GET", USERINFO, ORIGIN, **headers)
    assert (response.status_code, allowed(response)) == (200, ORIGIN)


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example.com", "null", "http://localhost", "http://localhost:5174"),
        *("https://localhost:5173", "http://LOCALHOST:5173", f"{ORIGIN}/", f"{ORIGIN}.evil.com"),
        *("http://[", "https://shop.example.com http://localhost:5173", ""),
    ],
)
@pytest.mark.parametrize("path", [TOKEN, REVOKE, USERINFO])
def test_another_origin_is_not_allowed(client, path, origin):
    responses = [preflight(client, path, origin), send(client, "POST", path, origin)]
    assert [allowed(each) for each in responses] == [None, None]


@pytest.mark.parametrize("origin", [ORIGIN, f"{ORIGIN}/", "HTTP://localhost:5173"])
def test_tokens_can_be_read_by_the_declared_origin_only(browser, origin):
    response = exchange(browser.consent()["code"], headers={"Origin": origin})
    assert (response.status_code, allowed(response)) == (200, origin if origin == ORIGIN else None)


@pytest.mark.parametrize("path", METADATA)
def test_metadata_can_be_read_by_every_page_without_reflecting_its_origin(client, path):
    assert allowed(send(client, "GET", path, "https://evil.example.com")) == "*"


@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.example.com", ""])
@pytest.mark.parametrize("path", [TOKEN, REVOKE, USERINFO, *METADATA])
def test_a_cache_keeps_the_responses_to_each_origin_apart(client, path, origin):
    responses = [preflight(client, path, origin), send(client, "GET", path, origin)]
    assert ["origin" in each.headers["Vary"].lower() for each in responses] == [True, True]


@pytest.mark.parametrize("path", PAGES)
def test_pages_and_other_endpoints_cannot_be_read(client, path):
    for response in preflight(client, path), send(client, "GET", path, ORIGIN):
        assert [name for name in response.headers if name.startswith("Access-Control")] == []


@pytest.mark.parametrize("path", [TOKEN, REVOKE, USERINFO, *METADATA])
def test_no_cookie_may_be_sent(client, path):
    assert "Access-Control-Allow-Credentials" not in preflight(client, path).headers


def test_a_deactivated_client_has_no_origin(client):
    RegisteredClient.objects.update(is_active=False)
    assert allowed(preflight(client, TOKEN)) is None


def test_a_request_of_no_web_page_costs_no_query(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.post(TOKEN)
