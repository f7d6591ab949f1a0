"""``manage.py ensure_clients`` registers clients as declared."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from client_registry.hashers import verify_secret
from client_registry.models import RegisteredClient
from django.contrib.auth.hashers import make_password
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
from tests.flows import basic, introspect, machine_token, request_token, secret_of

NAMES = {
    *("demo-machine", "demo-browser", "demo-device"),
    *("inventory-introspection", "orders-introspection"),
}
pytestmark = pytest.mark.django_db


@pytest.fixture
def ensure(run):
    """Return a function that runs the command and returns its line about each client."""

    def ensure(*arguments):
        return dict(line.split(": ", 1) for line in run("ensure_clients", *arguments).splitlines())

    return ensure


@pytest.fixture
def registered(ensure):
    """Run the command once."""
    ensure()


@pytest.fixture
def refused(run):
    """Return a function that runs the command and returns its error."""

    def refused(*arguments):
        with pytest.raises(CommandError) as raised:
            run("ensure_clients", *arguments)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return refused


@pytest.fixture
def edit(tmp_path, settings):
    """Return a function that replaces text in a copy of ``clients.toml``."""
    copy = tmp_path / "clients.toml"
    copy.write_text(settings.CLIENTS_FILE.read_text("utf-8"), "utf-8")
    settings.CLIENTS_FILE = copy

    def edit(old, new):
        text = copy.read_text("utf-8")
        assert old in text
        copy.write_text(text.replace(old, new), "utf-8")

    return edit


@pytest.fixture
def remove_device(edit, settings):
    """Declare demo-device, the last client of the file, no longer."""
    edit(settings.CLIENTS_FILE.read_text("utf-8").partition("[demo-device]")[2], "")
    edit("[demo-device]", "")


def application(name):
    return Application.objects.get(registration__name=name)


def store(client_id, **fields):
    """Change an application without the command."""
    Application.objects.filter(client_id=client_id).update(**fields)


# ---- Registration ----


def test_first_run_creates_every_client(ensure):
    assert ensure() == dict.fromkeys(NAMES, "created")


def test_second_run_writes_nothing(registered, ensure):
    with CaptureQueriesContext(connection) as queries:
        assert ensure() == dict.fromkeys(NAMES, "unchanged")
    assert {query["sql"].split()[0] for query in queries} <= {"SELECT", "SAVEPOINT", "RELEASE"}


def test_client_is_registered_as_declared(registered):
    client = application("demo-browser")
    assert client.name == "Demo browser"
    assert client.client_type == "public"
    assert client.authorization_grant_type == "authorization-code"
    assert client.algorithm == "RS256"
    assert "http://127.0.0.1:8765/callback" in client.redirect_uris.split()
    assert client.registration.scopes == ["openid", "profile", "email", "*"]


def test_client_of_a_resource_server_is_registered_for_it(registered):
    client = application("orders-introspection")
    assert client.client_type == "confidential"
    assert client.authorization_grant_type == "client-credentials"
    assert client.registration.resource_server == "orders"


def test_change_of_the_file_is_an_update(registered, ensure, edit):
    edit('"Demo machine"', '"Machine"')
    assert ensure()["demo-machine"] == "updated (name)"
    assert application("demo-machine").name == "Machine"


def test_change_by_hand_is_undone(registered, ensure):
    RegisteredClient.objects.filter(name="demo-machine").update(scopes=["introspection"])
    store("demo-machine", skip_authorization=True)
    assert ensure()["demo-machine"] == "updated (skip_authorization, scopes)"
    assert RegisteredClient.objects.get(name="demo-machine").scopes == ["*"]


def test_new_client_id_is_an_update(registered, ensure, monkeypatch):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_ID", "other-machine")
    assert ensure()["demo-machine"] == "updated (client_id)"


def test_deactivated_client_stays_deactivated(registered, ensure):
    RegisteredClient.objects.update(is_active=False)
    assert ensure()["demo-machine"] == "unchanged"
    assert not RegisteredClient.objects.filter(is_active=True).exists()


def test_unregistered_application_is_left_alone(ensure):
    Application.objects.create(client_id="another", name="Another")
    assert "another" not in ensure("--prune")
    assert Application.objects.filter(client_id="another").exists()


# ---- Secrets ----


def test_secret_is_stored_as_a_hash(registered):
    stored = application("demo-machine").client_secret
    assert stored.startswith("machine_sha256$")
    assert verify_secret(secret_of("demo-machine"), stored)


def test_new_secret_is_an_update(registered, ensure, monkeypatch):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", secrets.token_urlsafe(32))
    assert ensure()["demo-machine"] == "updated (client_secret)"
    assert machine_token()


@pytest.mark.parametrize(
    ("name", "fields", "updated"),
    [
        (
            "demo-machine",
            {"client_secret": make_password(secret_of("demo-machine"), hasher="pbkdf2_sha256")},
            "client_secret",
        ),
        (
            "demo-machine",
            {"client_secret": secret_of("demo-machine"), "hash_client_secret": False},
            "hash_client_secret, client_secret",
        ),
        (
            "demo-browser",
            {"client_secret": make_password("", hasher="machine_sha256")},
            "client_secret",
        ),
        ("demo-browser", {"client_type": "confidential"}, "client_type, client_secret"),
    ],
    ids=["slow hash", "in clear", "empty secret of a public client", "client that becomes public"],
)
def test_secret_is_stored_anew(registered, ensure, name, fields, updated):
    before = application(name).client_secret
    store(name, **fields)
    assert ensure()[name] == f"updated ({updated})"
    after = application(name).client_secret
    assert after.startswith("machine_sha256$")
    assert after not in (before, fields.get("client_secret"))


MACHINE, OLD = "DEMO_MACHINE_CLIENT_SECRET", secrets.token_urlsafe(32)


@pytest.fixture
def begin(registered, ensure, monkeypatch):
    """Have two secrets of the machine accepted; return the line about it."""
    monkeypatch.setenv(f"{MACHINE}_FALLBACK", OLD)
    return ensure()["demo-machine"]


def status_of(secret):
    response = request_token(basic("demo-machine", secret), grant_type="client_credentials")
    return response.status_code


def test_the_token_endpoint_accepts_both_secrets_in_a_rotation(begin):
    assert begin == "updated (client_secret)"
    assert [status_of(secret) for secret in (None, OLD, "other")] == [200, 200, 401]


def test_the_introspection_endpoint_accepts_both_secrets_in_a_rotation(
    registered, ensure, monkeypatch
):
    monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_SECRET_FALLBACK", OLD)
    ensure()
    headers = [basic("orders-introspection", secret) for secret in (None, OLD, "other")]
    assert [introspect("any", headers=one).status_code for one in headers] == [200, 200, 401]


def test_to_swap_the_secrets_is_no_change(begin, ensure, monkeypatch):
    monkeypatch.setenv(f"{MACHINE}_FALLBACK", secret_of("demo-machine"))
    monkeypatch.setenv(MACHINE, OLD)
    assert ensure()["demo-machine"] == "unchanged"


def test_after_a_rotation_the_other_secret_is_refused(begin, ensure, monkeypatch):
    monkeypatch.delenv(f"{MACHINE}_FALLBACK")
    assert ensure()["demo-machine"] == "updated (client_secret)"
    assert [status_of(secret) for secret in (None, OLD)] == [200, 401]


def test_a_fallback_has_to_be_as_strong(registered, refused, monkeypatch):
    monkeypatch.setenv(f"{MACHINE}_FALLBACK", secrets.token_urlsafe(24))
    assert f"{MACHINE}_FALLBACK has fewer than 256 bits" in refused()


def test_a_fallback_is_of_one_client(registered, refused, monkeypatch):
    monkeypatch.setenv(f"{MACHINE}_FALLBACK", secret_of("orders-introspection"))
    assert "is used by" in refused()


def test_secret_can_come_from_a_file(registered, ensure, monkeypatch, tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{secret_of('demo-machine')}\n")
    monkeypatch.delenv("DEMO_MACHINE_CLIENT_SECRET")
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET_FILE", str(path))
    assert ensure()["demo-machine"] == "unchanged"


@pytest.mark.parametrize("name", ["demo-browser", "demo-device"])
def test_public_client_has_an_unknown_secret(registered, name):
    stored = application(name).client_secret
    assert stored.startswith("machine_sha256$")
    assert not verify_secret("", stored)


def test_no_secret_is_printed(run):
    printed = run("ensure_clients") + run("ensure_clients", "--check")
    for name in ("demo-machine", "orders-introspection", "inventory-introspection"):
        assert secret_of(name) not in printed
        assert application(name).client_secret not in printed


GOOD = secrets.token_urlsafe(32)
BAD_SECRETS = {
    "nothing": ("", "is not set"),
    "the example": ("change-me", "example value"),
    "42 characters": (secrets.token_urlsafe(32)[:42], "256 bits"),
    "63 hexadecimal digits": (secrets.token_hex(32)[:63], "256 bits"),
    "a plus": (GOOD + "+", "other characters"),
    "a percent sign": (GOOD + "%41", "other characters"),
    "a blank inside": (f"{GOOD} {GOOD}", "other characters"),
    "one letter": ("a" * 43, "too easy to guess"),
    "few letters": ("abcdefgh-" * 8, "too easy to guess"),
    "a word again and again": ("correct-horse-battery" * 3, "repeats itself"),
}


@pytest.mark.parametrize(("secret", "problem"), BAD_SECRETS.values(), ids=BAD_SECRETS)
def test_unsafe_secret_is_refused(refused, monkeypatch, secret, problem):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", secret)
    message = refused()
    assert "DEMO_MACHINE_CLIENT_SECRET" in message
    assert problem in message
    assert not secret or secret == "change-me" or secret not in message
    assert not Application.objects.exists()


def test_64_hexadecimal_digits_are_accepted(ensure, monkeypatch):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", secrets.token_hex(32))
    assert ensure()["demo-machine"] == "created"


def test_secret_file_that_is_missing_is_refused(refused, monkeypatch):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET_FILE", "/nowhere/secret")
    assert "DEMO_MACHINE_CLIENT_SECRET_FILE cannot be read" in refused()


# ---- Client_ids ----

BAD_IDS = {
    "nothing": ("", "is not set"),
    "a dot": ("demo.machine", "1 to 100 letters"),
    "a colon": ("demo:machine", "1 to 100 letters"),
    "a blank": ("demo machine", "1 to 100 letters"),
    "101 characters": ("a" * 101, "1 to 100 letters"),
    "a UUID": ("0b0a7a3e-3b57-4b4f-8a0c-2f1d9f9f6a11", "is a UUID"),
    "a UUID in capitals": ("0B0A7A3E-3B57-4B4F-8A0C-2F1D9F9F6A11", "is a UUID"),
    "a UUID without hyphens": ("0b0a7a3e3b574b4f8a0c2f1d9f9f6a11", "is a UUID"),
}


@pytest.mark.parametrize(("client_id", "problem"), BAD_IDS.values(), ids=BAD_IDS)
def test_unsafe_client_id_is_refused(refused, monkeypatch, client_id, problem):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_ID", client_id)
    message = refused()
    assert "DEMO_MACHINE_CLIENT_ID" in message
    assert problem in message


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("DEMO_BROWSER_CLIENT_ID", "demo-machine", "is used by demo-machine already"),
        (
            "DEMO_MACHINE_CLIENT_SECRET",
            secret_of("orders-introspection"),
            "is used by orders-introspection already",
        ),
    ],
    ids=["client_id", "secret"],
)
def test_credential_of_two_clients_is_refused(refused, monkeypatch, variable, value, problem):
    monkeypatch.setenv(variable, value)
    assert f"{variable} {problem}" in refused()


def test_every_problem_is_in_the_line(refused, monkeypatch):
    monkeypatch.delenv("ORDERS_INTROSPECTION_CLIENT_ID")
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", "short")
    names = {"ORDERS_INTROSPECTION_CLIENT_ID", "DEMO_MACHINE_CLIENT_SECRET"}
    assert names <= set(refused().split())


def test_client_id_of_a_client_that_is_no_longer_declared_is_refused(
    registered, ensure, refused, monkeypatch, edit
):
    edit("[demo-device]", "[other-device]")
    monkeypatch.setenv("OTHER_DEVICE_CLIENT_ID", "demo-device")
    assert "other-device cannot have the client_id demo-device" in refused()
    assert ensure("--prune")["other-device"] == "created"


def test_client_id_of_another_application_is_refused(registered, refused, monkeypatch):
    Application.objects.create(client_id="another")
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_ID", "another")
    assert refused().startswith("demo-machine: client_id:")


# ---- --check and --prune ----


def test_check_passes_after_registration(registered, ensure):
    assert ensure("--check") == {}


def test_check_names_missing_clients_and_writes_nothing(refused, capsys):
    assert "not as declared" in refused("--check")
    printed = capsys.readouterr().out.splitlines()
    assert set(printed) == {f"to do: {name}: created" for name in NAMES}
    assert not Application.objects.exists()


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_an_origin_without_tls_is_refused_in_production(refused, edit, settings, arguments):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"ALLOWED_SCHEMES": ["https"]}
    edit("[demo-browser]\n", '[demo-browser]\nallowed_origins = ["http://localhost:5173"]\n')
    assert refused(*arguments).startswith("demo-browser: allowed_origins:")


def test_an_origin_without_tls_is_registered_in_development(ensure, edit):
    edit("[demo-browser]\n", '[demo-browser]\nallowed_origins = ["http://localhost:5173"]\n')
    assert ensure()["demo-browser"] == "created"
    assert application("demo-browser").allowed_origins == "http://localhost:5173"


def test_check_names_differences(registered, refused, capsys):
    store("demo-machine", name="Other")
    refused("--check")
    assert capsys.readouterr().out == "to do: demo-machine: updated (name)\n"
    assert application("demo-machine").name == "Other"


def test_undeclared_client_is_named_and_kept(registered, ensure, remove_device):
    assert ensure()["demo-device"] == "not declared"
    assert application("demo-device")


def test_prune_deletes_an_undeclared_client_with_its_tokens(registered, ensure, remove_device):
    token = AccessToken(token="x", expires=timezone.now(), application=application("demo-device"))
    token.save()
    assert ensure("--prune")["demo-device"] == "deleted"
    assert not AccessToken.objects.exists()


def test_check_with_prune_deletes_nothing(registered, ensure, refused, remove_device, capsys):
    assert ensure("--check") == {}
    refused("--check", "--prune")
    assert capsys.readouterr().out == "to do: demo-device: deleted\n"
    assert application("demo-device")


# ---- Environments ----


def test_production_has_no_demo_client(ensure, settings):
    settings.ENVIRONMENT = "production"
    assert set(ensure()) == {"orders-introspection", "inventory-introspection"}


def test_production_refuses_an_active_demo_client(registered, refused, settings):
    settings.ENVIRONMENT = "production"
    assert "declared for another environment" in refused()


def test_production_accepts_a_deactivated_demo_client(registered, ensure, settings):
    settings.ENVIRONMENT = "production"
    RegisteredClient.objects.filter(name__startswith="demo-").update(is_active=False)
    assert ensure()["orders-introspection"] == "unchanged"


def test_production_can_prune_demo_clients(registered, ensure, settings):
    settings.ENVIRONMENT = "production"
    assert ensure("--prune")["demo-machine"] == "deleted"


@pytest.fixture
def production(settings, edit):
    """Return a function that declares one redirect_uri of demo-browser, here in production."""
    settings.ENVIRONMENT = "production"
    schemes = {"ALLOWED_REDIRECT_URI_SCHEMES": ["https"]}
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | schemes
    edit('algorithm = "RS256"\nenvironments = ["development"]', 'algorithm = "RS256"')
    uris = '"http://127.0.0.1:8765/callback", "http://localhost:8765/callback"'
    logout = '"http://127.0.0.1:8765/", "http://localhost:8765/"'

    def production(uri, client_type="public"):
        edit(logout, "")
        edit(uris, f'"{uri}"')
        if client_type == "confidential":
            before, _, after = settings.CLIENTS_FILE.read_text("utf-8").partition("[demo-browser]")
            after = after.replace('"public"', '"confidential"', 1)
            settings.CLIENTS_FILE.write_text(f"{before}[demo-browser]{after}", "utf-8")

    return production


NATIVE = [
    "http://127.0.0.1/callback",
    "http://127.0.0.1:8765/callback",
    "http://[::1]/callback",
    "com.example.app:/oauth2redirect",
]


@pytest.mark.parametrize("uri", [*NATIVE, "https://app.example.com/callback"])
def test_production_accepts_the_redirect_uris_of_native_applications(production, ensure, uri):
    production(uri)
    assert ensure()["demo-browser"] == "created"
    assert ensure("--check") == {}


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:8765/callback",
        "http://app.example.com/callback",
        "http://127.0.0.1.example.com/callback",
        "http://127.0.0.1@example.com/callback",
        "http://[::2]/callback",
        "myapp:/callback",
        "com.example.app://callback",
        "com.example.app:",
        "javascript:/alert(1)",
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_production_refuses_other_redirect_uris(production, refused, uri, arguments):
    production(uri)
    assert "demo-browser: redirect_uris: expected https, or in a public client" in refused(
        *arguments
    )
    assert not Application.objects.exists()


@pytest.mark.parametrize("uri", NATIVE)
def test_production_refuses_them_of_a_client_with_a_secret(production, refused, monkeypatch, uri):
    monkeypatch.setenv("DEMO_BROWSER_CLIENT_SECRET", secrets.token_urlsafe(32))
    production(uri, "confidential")
    assert "demo-browser: redirect_uris: expected https" in refused()


# ---- Faults ----


def test_nothing_is_written_if_one_client_is_invalid(refused, edit):
    edit("http://localhost:8765/callback", "ftp://localhost:8765/callback")
    assert "demo-browser: redirect_uris" in refused()
    assert not Application.objects.exists()


def test_invalid_manifest_is_an_error_of_one_line(refused, settings, tmp_path):
    settings.RESOURCE_SERVERS_DIR = tmp_path / "nowhere"
    assert "not a folder" in refused("--skip-checks")


def manage(tmp_path, *arguments):
    environment = os.environ | {
        "DATA_DIR": str(tmp_path),
        "AUTHORIZATION_SERVER_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=Path(__file__).parents[1],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_database_without_tables_is_an_error_of_one_line(tmp_path):
    process = manage(tmp_path, "ensure_clients")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "run migrate first" in errors
    assert len(errors.splitlines()) == 1


def test_concurrent_runs_create_every_client_once(tmp_path):
    manage(tmp_path, "migrate", "--verbosity", "0").communicate()
    processes = [manage(tmp_path, "ensure_clients") for _ in range(2)]
    printed = "".join(process.communicate()[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    for name in NAMES:
        assert printed.count(f"{name}: created") == 1
        assert printed.count(f"{name}: unchanged") == 1
