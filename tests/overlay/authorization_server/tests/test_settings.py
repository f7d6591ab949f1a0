"""Unsafe and malformed settings are refused in one sentence. Each test runs a process."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

BASE_DIR = Path(__file__).parents[1]
PRODUCTION = {
    "ENVIRONMENT": "production",
    "AUTHORIZATION_SERVER_URL": "https://auth.example.com",
}


@pytest.fixture
def python(tmp_path):
    """Return a function that runs Python with some variables; None unsets one."""

    def python(*arguments, **variables):
        environment = os.environ | {"DATA_DIR": str(tmp_path)} | variables
        environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
        return subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=BASE_DIR,
            env={name: value for name, value in environment.items() if value is not None},
            capture_output=True,
            text=True,
        )

    return python


@pytest.fixture
def manage(python):
    """Return a function that runs ``manage.py``."""
    return partial(python, "manage.py")


@pytest.fixture
def setting(python):
    """Return a function that returns a setting as it is printed."""

    def setting(expression, **variables):
        code = f"from config import settings as s; print(s.{expression})"
        return python("-c", code, **variables).stdout.strip()

    return setting


def test_production_passes_the_deployment_check(manage):
    result = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("cookie", ["SESSION", "CSRF"])
def test_no_other_host_can_set_a_cookie_in_production(python, cookie):
    names = ", ".join(f"s.{cookie}_COOKIE_{name}" for name in ("NAME", "SECURE", "PATH", "DOMAIN"))
    code = f"from django.conf import settings as s; print({names})"
    name, *values = python("-c", code, **PRODUCTION).stdout.split()
    # The prefix, and what browsers require for it.
    assert (name[:7], values) == ("__Host-", ["True", "/", "None"])


def test_an_unset_environment_means_production(manage):
    result = manage("check", ENVIRONMENT=None)
    assert "AUTHORIZATION_SERVER_URL must begin with https://" in result.stderr


def test_migrations_are_complete(manage):
    assert manage("makemigrations", "--check", "--dry-run").returncode == 0


BAD = {
    "an unknown environment": ({"ENVIRONMENT": "staging"}, "ENVIRONMENT: expected"),
    "DEBUG that is no flag": ({"DEBUG": "yes please"}, "DEBUG: expected"),
    "no secret key": (
        {"AUTHORIZATION_SERVER_SECRET_KEY": None},
        "AUTHORIZATION_SERVER_SECRET_KEY is not set",
    ),
    "no address": ({"AUTHORIZATION_SERVER_URL": None}, "AUTHORIZATION_SERVER_URL is not set"),
    "a bad internal address": (
        {"AUTHORIZATION_SERVER_INTERNAL_URL": "http://authorization_server:8000"},
        "AUTHORIZATION_SERVER_INTERNAL_URL: expected",
    ),
    "an unknown log level": ({"LOG_LEVEL": "verbose"}, "LOG_LEVEL: expected"),
    "a bad database": (
        {"AUTHORIZATION_SERVER_DATABASE_URL": "nowhere"},
        "AUTHORIZATION_SERVER_DATABASE_URL: expected",
    ),
    "an ENV_FILE that does not exist": (
        {"ENV_FILE": "/nowhere/env"},
        "/nowhere/env cannot be read",
    ),
}
UNSAFE = {
    "an http:// address": (
        {"AUTHORIZATION_SERVER_URL": "http://auth.example.com"},
        "AUTHORIZATION_SERVER_URL must begin with https://",
    ),
    "DEBUG": ({"DEBUG": "true"}, "DEBUG=true"),
    "no signing key": ({"OIDC_RSA_PRIVATE_KEY": None}, "ensure_signing_key"),
    "a bad HSTS duration": ({"SECURE_HSTS_SECONDS": "-1"}, "SECURE_HSTS_SECONDS: expected"),
}


def assert_refused(result, sentence):
    [line] = result.stderr.splitlines()
    assert (result.returncode, sentence in line) == (1, True)


@pytest.mark.parametrize(("variables", "sentence"), BAD.values(), ids=BAD)
def test_every_environment_refuses(manage, variables, sentence):
    assert_refused(manage("check", **variables), sentence)


@pytest.mark.parametrize(("variables", "sentence"), UNSAFE.values(), ids=UNSAFE)
def test_production_refuses(manage, variables, sentence):
    assert_refused(manage("check", **PRODUCTION | variables), sentence)


def test_the_option_traceback_shows_a_traceback(manage):
    result = manage("check", "--traceback", LOG_LEVEL="verbose")
    assert (result.returncode, "Traceback" in result.stderr) == (1, True)


def test_production_can_make_its_first_signing_key(manage, tmp_path):
    result = manage("ensure_signing_key", **PRODUCTION, OIDC_RSA_PRIVATE_KEY=None)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "oidc_private_key.pem").exists()


def test_development_can_make_its_first_signing_key(manage, tmp_path):
    result = manage("ensure_signing_key", OIDC_RSA_PRIVATE_KEY=None)
    assert result.returncode == 0, result.stderr
    assert "created" in result.stdout


def test_development_without_a_signing_key_fails_its_check(manage):
    result = manage("check", OIDC_RSA_PRIVATE_KEY=None)
    assert result.returncode == 1
    assert "accounts.E001" in result.stderr


def test_proxies_are_trusted_on_request_only(setting):
    header = "('HTTP_X_FORWARDED_PROTO', 'https')"
    assert setting("SECURE_PROXY_SSL_HEADER") == ""
    assert setting("SECURE_PROXY_SSL_HEADER", TRUST_PROXY_HEADERS="True") == header


def test_production_allows_the_hosts_of_its_addresses_only(setting):
    hosts = setting(
        "ALLOWED_HOSTS",
        **PRODUCTION,
        AUTHORIZATION_SERVER_INTERNAL_URL="http://authorization-server:8000",
        AUTHORIZATION_SERVER_ALLOWED_HOSTS="one.example, two.example",
    )
    assert hosts == str(["auth.example.com", "authorization-server", "one.example", "two.example"])


def test_development_allows_the_names_of_this_machine(setting):
    hosts = setting("ALLOWED_HOSTS[-3:]", AUTHORIZATION_SERVER_URL="http://auth.test")
    assert hosts == "['localhost', '127.0.0.1', '[::1]']"


def test_production_forbids_http_in_redirect_uris(setting):
    schemes = setting("OAUTH2_PROVIDER['ALLOWED_REDIRECT_URI_SCHEMES']", **PRODUCTION)
    assert schemes == "['https']"


def test_introspection_is_not_redirected_to_https(settings, client, db):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/accounts/login/").status_code == 301
    assert client.post("/o/introspect/").status_code == 415


# ---- Accounts ----


@pytest.mark.parametrize("sign_up", ["open", "invitation"])
def test_production_refuses_sign_up_without_mail(manage, sign_up):
    result = manage("check", SIGN_UP=sign_up, **PRODUCTION)
    assert f"SIGN_UP={sign_up} needs EMAIL_URL" in result.stderr


@pytest.mark.parametrize(("environment", "value"), [({}, "open"), (PRODUCTION, "closed")])
def test_sign_up_is_closed_in_production_until_it_is_chosen(setting, environment, value):
    assert setting("SIGN_UP", **environment) == value


def test_upstream_providers_have_buttons_and_pkce(python, tmp_path):
    file = tmp_path / "upstreams.toml"
    file.write_text('[google]\nclient_id = "a-client"\n', encoding="utf-8")
    code = """
import django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
print("/accounts/google/login/" in Client().get("/accounts/login/").content.decode())
print(Client().post("/accounts/google/login/")["Location"])
print(Client().post("/accounts/google/login/", headers={"Host": "evil.example"}).status_code)
"""
    variables = {"UPSTREAMS_FILE": str(file), "UPSTREAM_GOOGLE_CLIENT_SECRET": "a-secret"}
    button, url, status = python("-c", code, **variables).stdout.split()
    assert (button, status) == ("True", "400")
    # The address of the settings, and not that of the request.
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A8000%2Faccounts%2Fgoogle" in url
    assert "client_id=a-client" in url
    assert "code_challenge_method=S256" in url


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[facebook]\nclient_id = 'a'", "facebook is none of"),
        ("[google]", "client_id"),
        ("[google]\nclient_id = 'a'", "UPSTREAM_GOOGLE_CLIENT_SECRET is not set"),
        ("[", "TOMLDecodeError"),
    ],
)
def test_a_malformed_upstream_is_refused(manage, tmp_path, table, message):
    file = tmp_path / "upstreams.toml"
    file.write_text(table, encoding="utf-8")
    assert message in manage("check", UPSTREAMS_FILE=str(file)).stderr
