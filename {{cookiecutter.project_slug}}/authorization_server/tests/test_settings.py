"""The settings refuse what is not safe, in a process of their own and in one sentence."""

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


def test_production_is_what_runs_where_nothing_is_said(manage):
    result = manage("check", ENVIRONMENT=None)
    assert "AUTHORIZATION_SERVER_URL must begin with https://" in result.stderr


def test_migrations_are_complete(manage):
    assert manage("makemigrations", "--check", "--dry-run").returncode == 0


BAD = {
    "an unknown environment": ({"ENVIRONMENT": "staging"}, "ENVIRONMENT is 'staging'"),
    "no secret key": ({"AUTHORIZATION_SERVER_SECRET_KEY": None}, "is not set"),
    "the example as the secret key": (
        {"AUTHORIZATION_SERVER_SECRET_KEY": "change-me-to-something-of-more-than-32-letters"},
        "still the example value",
    ),
    "a short secret key": ({"AUTHORIZATION_SERVER_SECRET_KEY": "0123456789abcdef"}, "too easy"),
    "a secret key of one letter": ({"AUTHORIZATION_SERVER_SECRET_KEY": "a" * 50}, "too easy"),
    "no address": ({"AUTHORIZATION_SERVER_URL": None}, "AUTHORIZATION_SERVER_URL is not set"),
    "an address with a slash at the end": (
        {"AUTHORIZATION_SERVER_URL": "http://localhost:8000/"},
        "no slash at the end",
    ),
    "an address with a path": ({"AUTHORIZATION_SERVER_URL": "http://localhost/auth"}, "no path"),
    "an address without a scheme": ({"AUTHORIZATION_SERVER_URL": "localhost:8000"}, "http(s)://"),
    "an internal address with an underscore": (
        {"AUTHORIZATION_SERVER_INTERNAL_URL": "http://authorization_server:8000"},
        "AUTHORIZATION_SERVER_INTERNAL_URL",
    ),
    "an unknown log level": ({"LOG_LEVEL": "verbose"}, "LOG_LEVEL is 'verbose', not INFO or"),
    "DEBUG that is no flag": ({"DEBUG": "yes please"}, "not true or false"),
    "a file that is not there": (
        {"AUTHORIZATION_SERVER_SECRET_KEY_FILE": "/nowhere/key"},
        "AUTHORIZATION_SERVER_SECRET_KEY_FILE cannot be read",
    ),
    "a database that is no URL": (
        {"AUTHORIZATION_SERVER_DATABASE_URL": "nowhere"},
        "AUTHORIZATION_SERVER_DATABASE_URL is not the URL of a database",
    ),
    "a database whose port is no number": (
        {"AUTHORIZATION_SERVER_DATABASE_URL": "postgres://somebody:hidden@database:port/name"},
        "AUTHORIZATION_SERVER_DATABASE_URL is not the URL of a database",
    ),
    "an ENV_FILE that is not there": ({"ENV_FILE": "/nowhere/env"}, "no such file"),
}
UNSAFE = {
    "an http:// address": (
        {"AUTHORIZATION_SERVER_URL": "http://auth.example.com"},
        "must begin with https://",
    ),
    "DEBUG": ({"DEBUG": "true"}, "DEBUG=true"),
    "no signing key": ({"OIDC_RSA_PRIVATE_KEY": None}, "ensure_signing_key"),
    "HSTS that is no number": ({"SECURE_HSTS_SECONDS": "-1"}, "not a whole number"),
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


def test_there_is_a_traceback_for_whoever_asks(manage):
    result = manage("check", "--traceback", LOG_LEVEL="verbose")
    assert (result.returncode, "Traceback" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTHORIZATION_SERVER_SECRET_KEY", "abcdefghijklmnop"),
        ("AUTHORIZATION_SERVER_DATABASE_URL", "postgres://me:abcdefghijklmnop@database:port/name"),
    ],
)
def test_no_secret_is_in_the_message(manage, name, value):
    result = manage("check", **{name: value})
    assert "abcdefghijklmnop" not in result.stderr + result.stdout


def test_production_makes_its_signing_key_without_one(manage, tmp_path):
    result = manage("ensure_signing_key", **PRODUCTION, OIDC_RSA_PRIVATE_KEY=None)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "oidc_private_key.pem").exists()


def test_the_signing_key_is_made_where_the_checks_fail(manage, tmp_path):
    result = manage("ensure_signing_key", OIDC_RSA_PRIVATE_KEY=None)
    assert result.returncode == 0, result.stderr
    assert "created" in result.stdout


def test_development_without_a_signing_key_fails_its_check(manage):
    result = manage("check", OIDC_RSA_PRIVATE_KEY=None)
    assert result.returncode == 1
    assert "accounts.E001" in result.stderr


def test_a_secret_can_come_from_a_file(setting, tmp_path):
    path = tmp_path / "key"
    path.write_text("0123456789abcdefghijklmnopqrstuvwxyz\n")
    key = setting("SECRET_KEY", AUTHORIZATION_SERVER_SECRET_KEY_FILE=str(path))
    assert key == "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def env_file(tmp_path):
    """Return a file of variables."""
    path = tmp_path / "env"
    path.write_text("AUTHORIZATION_SERVER_URL=https://from.example\nTRUST_PROXY_HEADERS=true\n")
    return str(path)


def test_variables_can_come_from_a_file(setting, env_file):
    header = setting("SECURE_PROXY_SSL_HEADER", ENV_FILE=env_file)
    assert header == "('HTTP_X_FORWARDED_PROTO', 'https')"


def test_what_is_set_already_wins_over_the_file(setting, env_file):
    assert setting("AUTHORIZATION_SERVER_URL", ENV_FILE=env_file) == "http://localhost:8000"


def test_an_empty_value_is_as_good_as_none(setting):
    assert setting("DEBUG", DEBUG="") == "False"


def test_proxies_are_not_trusted_unless_somebody_says_so(setting):
    assert setting("SECURE_PROXY_SSL_HEADER") == ""


def test_hosts_are_those_of_the_addresses(setting):
    hosts = setting(
        "ALLOWED_HOSTS",
        **PRODUCTION,
        AUTHORIZATION_SERVER_INTERNAL_URL="http://authorization-server:8000",
        AUTHORIZATION_SERVER_ALLOWED_HOSTS="one.example, two.example",
    )
    expected = ["auth.example.com", "authorization-server", "one.example", "two.example"]
    assert hosts == str([*expected, "127.0.0.1"])


def test_development_answers_to_this_machine(setting):
    hosts = setting("ALLOWED_HOSTS", AUTHORIZATION_SERVER_URL="http://[::1]:8000")
    assert hosts == "['[::1]', '[::1]', 'testserver', '127.0.0.1', 'localhost', '[::1]']"


def test_another_database_can_be_chosen(setting):
    url = "postgres://user:secret@db:5432/authorization_server"
    database = setting("DATABASES['default']", AUTHORIZATION_SERVER_DATABASE_URL=url)
    assert "django.db.backends.postgresql" in database


def test_production_forbids_http_in_redirect_uris(setting):
    schemes = setting("OAUTH2_PROVIDER['ALLOWED_REDIRECT_URI_SCHEMES']", **PRODUCTION)
    assert schemes == "['https']"


def test_production_sends_everything_but_introspection_and_health_to_https(settings, client, db):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/accounts/login/").status_code == 301
    assert client.get("/health/live").status_code == 200
    assert client.post("/o/introspect/").status_code == 415


LEVEL = "import django, logging; django.setup(); print(logging.getLogger('{}').getEffectiveLevel())"


@pytest.mark.parametrize("logger", ["introspection", "django.request", "oauthlib.oauth2"])
def test_the_log_level_holds_for_all_that_logs(python, logger):
    assert python("-c", LEVEL.format(logger), LOG_LEVEL="ERROR").stdout.strip() == "40"


@pytest.mark.parametrize("logger", ["django.db", "oauthlib.oauth2", "oauth2_provider"])
def test_what_would_log_tokens_never_says_all(python, logger):
    assert python("-c", LEVEL.format(logger), LOG_LEVEL="DEBUG").stdout.strip() == "20"
