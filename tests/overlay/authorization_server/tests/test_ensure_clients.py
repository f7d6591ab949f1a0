"""``manage.py ensure_clients`` makes the database agree with what is declared."""

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
from oauth2_provider.models import AccessToken, Application
from tests.flows import machine_token, secret_of

NAMES = {
    *("demo-machine", "demo-browser", "demo-device"),
    *("inventory-introspection", "orders-introspection"),
}
pytestmark = pytest.mark.django_db


@pytest.fixture
def ensure(run):
    """Return a function that runs the command and returns what it says about each client."""

    def ensure(*arguments):
        return dict(line.split(": ", 1) for line in run("ensure_clients", *arguments).splitlines())

    return ensure


@pytest.fixture
def refused(run):
    """Return a function that runs the command and returns why it has failed."""

    def refused(*arguments):
        with pytest.raises(CommandError) as raised:
            run("ensure_clients", *arguments)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return refused


@pytest.fixture
def clients_file(tmp_path, settings):
    """Return a copy of ``clients.toml`` that is used in its place."""
    copy = tmp_path / "clients.toml"
    copy.write_text(settings.CLIENTS_FILE.read_text("utf-8"), "utf-8")
    settings.CLIENTS_FILE = copy
    return copy


def edit(path, *change):
    text = path.read_text("utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change), "utf-8")


def cut(path, start):
    text = path.read_text("utf-8")
    path.write_text(text[: text.index(start)], "utf-8")


def application(name):
    return Application.objects.get(registration__name=name)


# ---- What it does ----


def test_the_first_run_creates_every_client(ensure):
    assert ensure() == dict.fromkeys(NAMES, "created")


def test_the_second_run_says_that_nothing_changed(ensure):
    ensure()
    assert ensure() == dict.fromkeys(NAMES, "unchanged")


def test_the_second_run_writes_nothing(ensure):
    ensure()
    with CaptureQueriesContext(connection) as queries:
        ensure()
    written = [query["sql"] for query in queries if not query["sql"].startswith("SELECT")]
    assert [sql for sql in written if "SAVEPOINT" not in sql] == []


def test_a_client_is_as_declared(ensure):
    ensure()
    client = application("demo-browser")
    assert client.name == "Demo browser"
    assert client.client_type == "public"
    assert client.authorization_grant_type == "authorization-code"
    assert client.algorithm == "RS256"
    assert "http://127.0.0.1:8765/callback" in client.redirect_uris.split()
    assert client.registration.scopes == ["openid", "profile", "email", "*"]


def test_the_client_of_a_resource_server_belongs_to_it(ensure):
    ensure()
    client = application("orders-introspection")
    assert client.client_type == "confidential"
    assert client.authorization_grant_type == "client-credentials"
    assert client.registration.resource_server == "orders"


def test_a_change_of_the_file_is_named(ensure, clients_file):
    ensure()
    edit(clients_file, '"Demo machine"', '"Machine"')
    assert ensure()["demo-machine"] == "updated (name)"
    assert application("demo-machine").name == "Machine"


def test_a_change_by_hand_is_undone(ensure):
    ensure()
    RegisteredClient.objects.filter(name="demo-machine").update(scopes=["introspection"])
    Application.objects.filter(client_id="demo-machine").update(skip_authorization=True)
    assert ensure()["demo-machine"] == "updated (skip_authorization, scopes)"
    assert RegisteredClient.objects.get(name="demo-machine").scopes == ["*"]


def test_a_new_client_id_is_a_change(ensure, monkeypatch):
    ensure()
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_ID", "other-machine")
    assert ensure()["demo-machine"] == "updated (client_id)"


def test_whether_a_client_is_active_is_left_as_it_is(ensure):
    ensure()
    RegisteredClient.objects.update(is_active=False)
    assert ensure()["demo-machine"] == "unchanged"
    assert not RegisteredClient.objects.filter(is_active=True).exists()


def test_an_application_of_somebody_else_is_left_alone(ensure):
    Application.objects.create(client_id="somebody", name="Somebody")
    assert "somebody" not in ensure("--prune")
    assert Application.objects.filter(client_id="somebody").exists()


# ---- Secrets ----


def test_the_secret_is_stored_as_a_hash(ensure):
    ensure()
    stored = application("demo-machine").client_secret
    assert stored.startswith("machine_sha256$")
    assert verify_secret(secret_of("demo-machine"), stored)


def test_a_new_secret_is_a_change(ensure, monkeypatch):
    ensure()
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", secrets.token_urlsafe(32))
    assert ensure()["demo-machine"] == "updated (client_secret)"
    assert machine_token()


def test_a_secret_that_is_stored_with_another_hasher_is_stored_anew(ensure):
    ensure()
    stored = make_password(secret_of("demo-machine"), hasher="pbkdf2_sha256")
    Application.objects.filter(client_id="demo-machine").update(client_secret=stored)
    assert ensure()["demo-machine"] == "updated (client_secret)"
    assert application("demo-machine").client_secret.startswith("machine_sha256$")


def test_a_secret_that_is_stored_in_clear_is_stored_as_a_hash(ensure):
    ensure()
    Application.objects.filter(client_id="demo-machine").update(
        client_secret=secret_of("demo-machine"), hash_client_secret=False
    )
    assert ensure()["demo-machine"] == "updated (hash_client_secret, client_secret)"
    assert application("demo-machine").client_secret.startswith("machine_sha256$")


def test_a_secret_can_come_from_a_file(ensure, monkeypatch, tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{secret_of('demo-machine')}\n")
    ensure()
    monkeypatch.delenv("DEMO_MACHINE_CLIENT_SECRET")
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET_FILE", str(path))
    assert ensure()["demo-machine"] == "unchanged"


@pytest.mark.parametrize("name", ["demo-browser", "demo-device"])
def test_a_public_client_has_a_secret_that_nobody_knows(ensure, name):
    ensure()
    stored = application(name).client_secret
    assert stored.startswith("machine_sha256$")
    assert not verify_secret("", stored)


def test_a_public_client_with_an_empty_secret_gets_another_one(ensure):
    ensure()
    Application.objects.filter(client_id="demo-browser").update(
        client_secret=make_password("", hasher="machine_sha256")
    )
    assert ensure()["demo-browser"] == "updated (client_secret)"


def test_a_client_that_becomes_public_gets_another_secret(ensure):
    ensure()
    Application.objects.filter(client_id="demo-browser").update(client_type="confidential")
    assert ensure()["demo-browser"] == "updated (client_type, client_secret)"


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
def test_a_secret_is_refused(refused, monkeypatch, secret, problem):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", secret)
    message = refused()
    assert "DEMO_MACHINE_CLIENT_SECRET" in message
    assert problem in message
    assert not secret or secret == "change-me" or secret not in message
    assert not Application.objects.exists()


def test_64_hexadecimal_digits_are_enough(ensure, monkeypatch):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", secrets.token_hex(32))
    assert ensure()["demo-machine"] == "created"


def test_the_same_secret_for_two_clients_is_refused(refused, monkeypatch):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", secret_of("orders-introspection"))
    message = refused()
    assert "DEMO_MACHINE_CLIENT_SECRET is used by orders-introspection already" in message


def test_a_secret_file_that_is_not_there_is_refused(refused, monkeypatch):
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
def test_a_client_id_is_refused(refused, monkeypatch, client_id, problem):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_ID", client_id)
    message = refused()
    assert "DEMO_MACHINE_CLIENT_ID" in message
    assert problem in message


def test_the_same_client_id_for_two_clients_is_refused(refused, monkeypatch):
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_ID", "demo-browser")
    assert "DEMO_BROWSER_CLIENT_ID is used by demo-machine already" in refused()


def test_a_client_id_that_is_not_set_is_refused(refused, monkeypatch):
    monkeypatch.delenv("ORDERS_INTROSPECTION_CLIENT_ID")
    assert "ORDERS_INTROSPECTION_CLIENT_ID is not set" in refused()


def test_every_problem_is_in_the_line(refused, monkeypatch):
    monkeypatch.delenv("ORDERS_INTROSPECTION_CLIENT_ID")
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_SECRET", "short")
    assert {"ORDERS_INTROSPECTION_CLIENT_ID", "DEMO_MACHINE_CLIENT_SECRET"} <= set(
        refused().split()
    )


def test_the_client_id_of_a_client_that_is_no_longer_declared_is_refused(
    ensure, refused, monkeypatch, clients_file
):
    ensure()
    edit(clients_file, "[demo-device]", "[other-device]")
    monkeypatch.setenv("OTHER_DEVICE_CLIENT_ID", "demo-device")
    assert "other-device cannot have the client_id demo-device" in refused()
    assert ensure("--prune")["other-device"] == "created"


def test_the_client_id_of_another_application_is_refused(ensure, refused, monkeypatch):
    ensure()
    Application.objects.create(client_id="somebody")
    monkeypatch.setenv("DEMO_MACHINE_CLIENT_ID", "somebody")
    assert refused().startswith("demo-machine: client_id:")


# ---- --check and --prune ----


def test_check_passes_where_everything_is_as_declared(ensure):
    ensure()
    assert ensure("--check") == {}


def test_check_fails_and_names_what_is_missing(refused, capsys):
    assert "not as declared" in refused("--check")
    printed = capsys.readouterr().out.splitlines()
    assert set(printed) == {f"to do: {name}: created" for name in NAMES}


def test_check_fails_and_names_what_is_different(ensure, refused, capsys):
    ensure()
    Application.objects.filter(client_id="demo-machine").update(name="Other")
    refused("--check")
    assert capsys.readouterr().out == "to do: demo-machine: updated (name)\n"


def test_check_writes_nothing(refused):
    with CaptureQueriesContext(connection) as queries:
        refused("--check")
    assert not [query for query in queries if "INSERT" in query["sql"]]
    assert not Application.objects.exists()


def test_a_client_that_is_no_longer_declared_is_named(ensure, clients_file):
    ensure()
    cut(clients_file, "[demo-device]")
    assert ensure()["demo-device"] == "not declared"
    assert Application.objects.filter(client_id="demo-device").exists()


def test_prune_deletes_it_with_its_tokens(ensure, clients_file, browser):
    browser.tokens()
    cut(clients_file, "[demo-browser]")
    outcome = ensure("--prune")
    assert outcome["demo-browser"] == outcome["demo-device"] == "deleted"
    assert not AccessToken.objects.exists()


def test_check_with_prune_deletes_nothing(ensure, refused, clients_file, capsys):
    ensure()
    cut(clients_file, "[demo-device]")
    assert ensure("--check") == {}
    refused("--check", "--prune")
    assert capsys.readouterr().out == "to do: demo-device: deleted\n"
    assert Application.objects.filter(client_id="demo-device").exists()


# ---- Environments ----


def test_production_has_no_demo_client(ensure, settings):
    settings.ENVIRONMENT = "production"
    assert set(ensure()) == {"orders-introspection", "inventory-introspection"}


def test_production_refuses_to_go_on_with_a_demo_client(ensure, refused, settings):
    ensure()
    settings.ENVIRONMENT = "production"
    assert "declared for another environment" in refused()


@pytest.mark.parametrize("way", ["--prune", "switched off"])
def test_production_goes_on_without_it(ensure, settings, way):
    ensure()
    settings.ENVIRONMENT = "production"
    if way == "switched off":
        RegisteredClient.objects.filter(name__startswith="demo-").update(is_active=False)
    outcome = ensure(*([way] if way == "--prune" else []))
    assert outcome["orders-introspection"] == "unchanged"


def test_production_refuses_an_address_without_tls(refused, settings, clients_file):
    settings.ENVIRONMENT = "production"
    schemes = {"ALLOWED_REDIRECT_URI_SCHEMES": ["https"]}
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | schemes
    edit(clients_file, 'algorithm = "RS256"\nenvironments = ["development"]', 'algorithm = "RS256"')
    assert "demo-browser: redirect_uris: redirect uri URI Validation error" in refused()


# ---- Faults ----


def test_nothing_is_written_where_one_client_is_not_valid(refused, clients_file):
    edit(clients_file, "http://localhost:8765/callback", "ftp://localhost:8765/callback")
    assert "demo-browser: redirect_uris" in refused()
    assert not Application.objects.exists()


def test_a_bad_manifest_is_one_line(refused, settings, tmp_path):
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


def test_a_database_without_tables_is_one_line(tmp_path):
    process = manage(tmp_path, "ensure_clients")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "run migrate first" in errors
    assert len(errors.splitlines()) == 1


def test_two_processes_at_the_same_time_make_every_client_once(tmp_path):
    manage(tmp_path, "migrate", "--verbosity", "0").communicate()
    processes = [manage(tmp_path, "ensure_clients") for _ in range(2)]
    printed = "".join(process.communicate()[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    for name in NAMES:
        assert printed.count(f"{name}: created") == 1
        assert printed.count(f"{name}: unchanged") == 1
