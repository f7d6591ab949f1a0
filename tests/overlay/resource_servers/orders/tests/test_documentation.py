"""The page of the documentation: where it is, and what it may load."""

import re
import runpy
from pathlib import Path
from types import ModuleType

import pytest
from django.contrib.staticfiles import finders

URLS = Path(__file__).parents[1] / "config" / "urls.py"


@pytest.fixture
def in_production(settings):
    """Serve the addresses of production."""
    settings.PRODUCTION = True
    urls = ModuleType("urls")
    vars(urls).update(runpy.run_path(str(URLS)))
    settings.ROOT_URLCONF = urls


@pytest.mark.parametrize("path", ["/", "/api/"])
def test_the_root_leads_to_it_in_development(anonymous, path):
    response = anonymous.get(path)
    assert (response.status_code, response["Location"]) == (302, "/api/docs/")


def test_it_signs_in_with_pkce(anonymous):
    script = anonymous.get("/api/docs/?script=").content.decode()
    assert '"usePkceWithAuthorizationCodeGrant": true' in script


def test_it_loads_nothing_from_another_host(anonymous):
    response = anonymous.get("/api/docs/")
    assert (response.status_code, "https://" in response.content.decode()) == (200, False)


@pytest.mark.parametrize(("path", "status"), [("/", 404), ("/api/", 404), ("/api/docs/", 200)])
def test_nothing_leads_to_it_in_production(in_production, anonymous, path, status):
    assert anonymous.get(path).status_code == status


def test_it_has_no_inline_script_or_style(anonymous):
    response = anonymous.get("/api/docs/")
    assert re.findall(r"<script>|<style|style=|\son\w+=", response.content.decode()) == []
    assert "default-src 'self'" in response["Content-Security-Policy"]


@pytest.mark.usefixtures("in_production")
def test_its_scripts_reach_this_server_and_the_authorization_server(anonymous, settings):
    policy = anonymous.get("/api/docs/")["Content-Security-Policy"]
    [connect] = re.findall("connect-src ([^;]*)", policy)
    assert connect.split() == ["'self'", settings.AUTHORIZATION_SERVER_URL]


def test_its_files_exist(anonymous):
    page = anonymous.get("/api/docs/").content.decode()
    files = re.findall(r'(?:src|href)="/static/([^"?]+)"', page)
    assert len(files) == 5
    assert [file for file in files if not finders.find(file)] == []


def test_browsers_find_its_icon(db, anonymous):
    response = anonymous.get("/favicon.ico", follow=True)
    response.close()
    assert response["Content-Type"] == "image/svg+xml"


def test_it_asks_for_the_scopes_of_the_manifest(settings, anonymous):
    script = anonymous.get("/api/docs/?script=").content.decode()
    for scope in settings.MANIFEST["scopes"]:
        assert f'"{scope}"' in script


@pytest.mark.parametrize("format", ["json", "yaml"])
def test_its_schema_is_generated_once(anonymous, format, monkeypatch):
    first = anonymous.get(f"/api/schema/?format={format}").content
    monkeypatch.delattr("drf_spectacular.views.SpectacularAPIView.get")
    assert anonymous.get(f"/api/schema/?format={format}&attempt=2").content == first
