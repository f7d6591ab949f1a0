"""The playground: its page, client and endpoints in development, and nothing in production."""

import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
from client_registry.models import RegisteredClient
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from playground import outage, views
from tests.flows import (
    VERIFIER,
    introspect,
    parameters_of,
    post_form,
    request_token,
)

CLIENT = """
[playground]
title = "Playground"
grant_type = "authorization-code"
client_type = "public"
scopes = ["openid", "orders:*"]
default_scopes = ["openid"]
redirect_uris = ["{authorization_server}/playground/"]
algorithm = "RS256"
environments = ["development"]
"""
PAGE = "http://localhost:8000/playground/"
ORDERS, INVENTORY = "http://localhost:8001", "http://localhost:8002"
PRODUCTION = {"ENVIRONMENT": "production", "AUTHORIZATION_SERVER_URL": "https://auth.example.com"}


@pytest.fixture(autouse=True)
def _declared(registered, tmp_path, monkeypatch):
    """Declare the client, and give the resource servers addresses."""
    copy = tmp_path / "clients.toml"
    copy.write_text(settings.CLIENTS_FILE.read_text("utf-8") + CLIENT, "utf-8")
    monkeypatch.setattr(settings, "CLIENTS_FILE", copy)
    monkeypatch.setenv("PLAYGROUND_CLIENT_ID", "playground")
    monkeypatch.setenv("ORDERS_URL", ORDERS)
    monkeypatch.setenv("INVENTORY_URL", INVENTORY)
    call_command("ensure_clients")


@pytest.fixture
def page(anonymous):
    return anonymous.get("/playground/")


@pytest.fixture
def tokens(browser):
    """Return the tokens of the client after a sign-in."""
    request = {"client_id": "playground", "redirect_uri": PAGE, "scope": "openid orders:read"}
    response = browser.send_form(browser.authorize(**request), allow="true")
    response["Location"] = response["Location"].replace(PAGE, "http://127.0.0.1:8765/callback")
    return request_token(
        grant_type="authorization_code",
        client_id="playground",
        code=parameters_of(response)["code"],
        redirect_uri=PAGE,
        code_verifier=VERIFIER,
    ).json()


def config_of(page):
    [config] = re.findall(r'id="config" type="application/json">(.+?)</script>', page.text)
    return json.loads(config)


def refresh(path, tokens):
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return post_form(path, form | {"client_id": "playground"})


# ---- The page ----


def test_the_page_has_the_scopes_in_the_words_of_the_manifests(page):
    assert "See your orders" in page.text
    assert "Know who you are when you come back" in page.text


def test_the_page_offers_no_scope_that_its_client_may_not_have(page):
    assert 'value="orders:read"' in page.text
    assert "inventory:read" not in page.text


def test_the_page_knows_every_resource_server(page):
    assert {api["url"] for api in config_of(page)["apis"]} == {ORDERS, INVENTORY}


def test_a_resource_server_without_an_address_is_left_out(anonymous, monkeypatch):
    monkeypatch.delenv("INVENTORY_URL")
    page = anonymous.get("/playground/")
    assert {api["url"] for api in config_of(page)["apis"]} == {ORDERS}


def test_its_scripts_may_connect_to_the_resource_servers(page):
    [connect] = re.findall("connect-src ([^;]*)", page["Content-Security-Policy"])
    assert set(connect.split()) == {"'self'", ORDERS, INVENTORY}


def test_its_policy_is_else_that_of_every_page(anonymous, page):
    assert page["Content-Security-Policy"].startswith(
        anonymous.get("/accounts/login/")["Content-Security-Policy"]
    )
    assert "unsafe" not in page["Content-Security-Policy"]


def test_scripts_of_other_pages_connect_to_this_server_only(anonymous):
    assert "connect-src" not in anonymous.get("/accounts/login/")["Content-Security-Policy"]


def test_a_pop_up_can_come_back_to_the_page(page):
    assert page["Cross-Origin-Opener-Policy"] == "unsafe-none"


def test_an_address_with_a_code_is_not_stored(page):
    assert page["Cache-Control"] == "no-store"


def test_without_its_client_there_is_no_page(anonymous):
    RegisteredClient.objects.filter(name="playground").update(is_active=False)
    assert anonymous.get("/playground/").status_code == 404


# ---- The client ----


def test_its_redirect_uri_is_the_address_of_the_page():
    application = RegisteredClient.objects.get(name="playground").application
    assert (application.redirect_uris, application.client_type) == (PAGE, "public")


def test_it_cannot_sign_in_without_pkce(browser):
    response = browser.authorize(client_id="playground", redirect_uri=PAGE, code_challenge=None)
    assert "error=invalid_request" in response["Location"]


# ---- Tokens that expire soon ----


def test_a_short_lived_token_expires_after_two_seconds(tokens):
    answer = refresh("/playground/token/", tokens).json()
    claims = introspect(answer["access_token"]).json()
    assert answer["expires_in"] == views.LIFETIME == 2
    assert claims["exp"] - claims["iat"] in (2, 3)  # rounded to seconds


def test_the_token_endpoint_keeps_its_lifetime(tokens):
    answer = refresh("/playground/token/", tokens).json()
    assert refresh("/o/token/", answer).json()["expires_in"] == 600


def test_a_short_lived_token_needs_a_grant():
    assert post_form("/playground/token/", {"grant_type": "refresh_token"}).status_code == 400


# ---- Outages ----


@pytest.fixture
def begun(monkeypatch):
    """Return how often an outage has begun, instead of beginning one."""
    begun = []
    monkeypatch.setattr(outage, "begin", lambda: begun.append(True))
    return begun


def test_an_outage_begins_by_the_form_of_the_page(client, begun):
    assert client.post("/playground/outage/").json() == {"seconds": outage.SECONDS}
    assert begun


def test_another_site_cannot_begin_an_outage(begun):
    assert Client(enforce_csrf_checks=True).post("/playground/outage/").status_code == 403
    assert not begun


def test_a_link_does_not_begin_an_outage(client, begun):
    assert client.get("/playground/outage/").status_code == 405
    assert not begun


@pytest.fixture
def answered(monkeypatch):
    """Return a function that says whether a path is answered now; an outage does not end."""
    monkeypatch.setattr(outage, "_until", float("inf"))

    def answered(path):
        async def application(*arguments):
            calls.append(path)

        async def ask():
            routes = outage.InterruptibleRoutes({}, application)
            request = routes({"type": "http", "path": path}, None, None)
            await asyncio.wait([task := asyncio.ensure_future(request)], timeout=0.2)
            task.cancel()

        calls = []
        asyncio.run(ask())
        return bool(calls)

    return answered


@pytest.mark.parametrize("path", outage.PATHS)
def test_during_an_outage_resource_servers_get_no_answer(answered, path):
    assert not answered(path)


@pytest.mark.parametrize("path", ["/o/token/", "/accounts/login/", "/health/ready"])
def test_an_outage_is_for_resource_servers_only(answered, path):
    assert answered(path)


@pytest.mark.parametrize("path", outage.PATHS)
def test_after_an_outage_they_get_answers(answered, monkeypatch, path):
    monkeypatch.setattr(outage, "_until", 0.0)
    assert answered(path)


# ---- Production ----

FACTS = """
import json, sys
import config.asgi
from django.contrib.staticfiles import finders
from django.urls import Resolver404, resolve

def is_there(path):
    try:
        return bool(resolve(path))
    except Resolver404:
        return False

pages = ["/playground/", "/playground/outage/", "/playground/token/", "/accounts/login/"]
files = ["playground/playground.js", "playground/sequence.js", "playground/playground.css"]
print(json.dumps({
    "pages": [path for path in pages if is_there(path)],
    "files": [file for file in [*files, "gatehouse.css"] if finders.find(file)],
    "application": type(config.asgi.application).__name__,
    "modules": [name for name in sys.modules if name.startswith("playground")],
}))
"""


def python(code, folder, **variables):
    """Run Python with the settings of the service in an environment."""
    environment = os.environ | {"DATA_DIR": str(folder)} | variables
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env=environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    """Return what a process in production has of the playground."""
    return json.loads(python(FACTS, tmp_path_factory.mktemp("production"), **PRODUCTION).stdout)


def test_production_has_no_page(production):
    assert production["pages"] == ["/accounts/login/"]


def test_production_serves_no_file_of_it(production):
    assert production["files"] == ["gatehouse.css"]


def test_production_cannot_begin_an_outage(production):
    assert (production["application"], production["modules"]) == ("Routes", [])


def test_development_can_begin_one(tmp_path):
    facts = json.loads(python(FACTS, tmp_path).stdout)
    assert facts["application"] == "InterruptibleRoutes"


def test_production_refuses_the_app(tmp_path):
    code = "from config import settings; settings.INSTALLED_APPS.append('playground')\n"
    result = python(f"{code}import django; django.setup()", tmp_path, **PRODUCTION)
    assert (result.returncode, "for development only" in result.stderr) == (1, True)


def test_production_does_not_register_the_client(settings):
    RegisteredClient.objects.get(name="playground").application.delete()
    settings.ENVIRONMENT = "production"
    call_command("ensure_clients", "--prune")
    assert not RegisteredClient.objects.filter(name="playground").exists()


def test_the_client_of_the_project_is_for_development_only():
    clients = tomllib.loads((settings.BASE_DIR / "clients.toml").read_text("utf-8"))
    assert clients["playground"]["environments"] == ["development"]
