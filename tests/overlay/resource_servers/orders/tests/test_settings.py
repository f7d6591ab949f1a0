"""A wrong setting is refused in one sentence that names it and shows no secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from config import settings

BASE_DIR = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        (f"{settings.PREFIX}_CACHE_URL", "valkey"),
        (f"{settings.PREFIX}_ALLOWED_ORIGINS", "*"),
        (f"{settings.PREFIX}_DATABASE_URL", "postgres://somebody:hidden@database:port/name"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_sentence(name, value):
    process = check(**{name: value})
    [line] = process.stderr.splitlines()
    assert (process.returncode, name in line, "hidden" in line) == (1, True, False)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_request_with_a_body_is_redirected_to_the_address_with_a_slash(anonymous, db, method):
    assert getattr(anonymous, method)("/api/items").status_code == 404


def test_a_list_without_its_slash_is_found(anonymous, db):
    response = anonymous.get("/api/items")
    assert (response.status_code, response["Location"]) == (301, "/api/items/")


# A scrape, as it comes from a proxy on this machine that adds no header. Prints the status.
SCRAPE = """
import django
django.setup()
from django.test import Client
headers = {"Authorization": "Bearer a-token-of-32-characters-or-more-0123"}
print(Client(SERVER_NAME="orders.example.com", headers=headers).get("/metrics").status_code)
"""


@pytest.mark.parametrize(
    ("token", "status"), [("", "404"), ("a-token-of-32-characters-or-more-0123", "200")]
)
def test_the_metrics_need_a_token_in_production(token, status):
    process = run(
        *("-c", SCRAPE),
        ENVIRONMENT="production",
        METRICS_TOKEN=token,
        AUTHORIZATION_SERVER_URL="https://as.example.com",
        **{f"{settings.PREFIX}_URL": "https://orders.example.com"},
    )
    assert process.stdout.split() == [status], process.stderr


def test_the_metrics_count_introspection(anonymous):
    assert "oauth_resource_server_seconds" in anonymous.get("/metrics").content.decode()


def test_the_metrics_are_hidden_from_other_networks(anonymous):
    response = anonymous.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
    assert response.status_code == 404


def test_traces_without_their_packages_are_refused():
    stderr = check(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318").stderr
    assert "in default-groups of pyproject.toml" in stderr


def test_a_metrics_token_that_is_easy_to_guess_is_refused():
    assert "METRICS_TOKEN" in check(METRICS_TOKEN="prometheus").stderr


def check(**variables):
    """Run ``manage.py check`` with additional environment variables."""
    return run("manage.py", "check", **variables)


def run(*arguments, **variables):
    """Run Python with additional environment variables."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | variables,
        capture_output=True,
        encoding="utf-8",
    )
