"""Each container sees its own secrets only, and no image, log or configuration holds one."""

import json

import pytest
from compose import ADDED, AUTHORIZATION_SERVER, FIRST, ask
from confidential import named_in, secrets_of
from layers import found_in_image
from stack import read_env

pytestmark = pytest.mark.slow

SERVER = ["SECRET_KEY", "INTROSPECTION_CLIENT_SECRET", "DATABASE_URL", "CACHE_URL"]
# What stands in /run/secrets of each long-lived service.
OWN = {
    "postgres": {"POSTGRES_PASSWORD"},
    "valkey": {"VALKEY_PASSWORD"},
    AUTHORIZATION_SERVER: {
        "AUTHORIZATION_SERVER_SECRET_KEY",
        "AUTHORIZATION_SERVER_DATABASE_URL",
    },
    "clear-tokens": {"AUTHORIZATION_SERVER_SECRET_KEY", "AUTHORIZATION_SERVER_DATABASE_URL"},
    FIRST: {f"ORDERS_{suffix}" for suffix in SERVER},
    ADDED: {f"ORDER_HISTORY_{suffix}" for suffix in SERVER},
}
OURS = [AUTHORIZATION_SERVER, "clear-tokens", FIRST, ADDED]
ADMINISTRATORS = {"POSTGRES_PASSWORD", "VALKEY_PASSWORD"}
ONCE = {
    "authorization-server-provision": {"AUTHORIZATION_SERVER_DATABASE_URL", "POSTGRES_PASSWORD"},
    "authorization-server-migrate": OWN[AUTHORIZATION_SERVER],
    "ensure-clients": OWN[AUTHORIZATION_SERVER] | {"clients.env"},
    f"{FIRST}-provision": {"ORDERS_DATABASE_URL", "ORDERS_CACHE_URL"} | ADMINISTRATORS,
    f"{FIRST}-migrate": OWN[FIRST],
    f"{ADDED}-provision": {"ORDER_HISTORY_DATABASE_URL", "ORDER_HISTORY_CACHE_URL"}
    | ADMINISTRATORS,
    f"{ADDED}-migrate": OWN[ADDED],
}
# Whose tokens it accepts. Nothing stands in it until `.env` names other issuers.
ISSUERS = {FIRST: {"ORDERS_ISSUERS.env"}, ADDED: {"ORDER_HISTORY_ISSUERS.env"}}
FILES = {
    service: names | ISSUERS.get(service.removesuffix("-migrate"), set())
    for service, names in (OWN | ONCE).items()
}


@pytest.fixture(scope="session")
def secrets(grown_stack):
    """Return the secrets of the project by name."""
    return secrets_of(grown_stack.project)


def service_of(container):
    return container["Config"]["Labels"]["com.docker.compose.service"]


def test_what_is_looked_for_is_every_secret(secrets):
    missing = {f"{name}_{suffix}" for name in ("ORDERS", "ORDER_HISTORY") for suffix in SERVER}
    missing |= ADMINISTRATORS | {"DEMO_PASSWORD", "DEMO_MACHINE_CLIENT_SECRET"}
    missing |= OWN[AUTHORIZATION_SERVER]
    assert missing - set(secrets) == set()


@pytest.mark.parametrize("service", OWN)
def test_a_service_sees_its_own_secrets_only(stack, service):
    listing = stack.compose("exec", "--no-TTY", service, "ls", "/run/secrets").stdout
    assert set(listing.split()) == FILES[service]


@pytest.mark.parametrize("service", OWN)
def test_a_service_reads_no_secret_of_another(stack, service, secrets):
    text = stack.compose("exec", "--no-TTY", service, "sh", "-c", "cat /run/secrets/*").stdout
    assert set(named_in(text, secrets)) == OWN[service]


def test_each_container_has_the_secrets_mounted_that_it_needs(stack):
    mounted = {
        service_of(container): {
            mount["Destination"].removeprefix("/run/secrets/")
            for mount in container["Mounts"]
            if mount["Destination"].startswith("/run/secrets/")
        }
        for container in stack.containers()
    }
    assert mounted == FILES


def test_no_container_has_the_folder_with_all_secrets_mounted(stack):
    inside = [str(stack.project / name) for name in ("", ".env", ".secrets")]
    sources = [mount["Source"] for c in stack.containers() for mount in c["Mounts"]]
    assert [source for source in sources if source.rstrip("/") in inside] == []


def test_what_inspect_shows_of_a_container_holds_no_secret(stack, secrets):
    shown = {service_of(c): named_in(json.dumps(c), secrets) for c in stack.containers()}
    assert {service: names for service, names in shown.items() if names} == {}


@pytest.mark.parametrize("service", OURS)
def test_no_environment_of_a_process_of_ours_holds_a_secret(stack, service, secrets):
    command = ["sh", "-c", "cat /proc/[0-9]*/environ || true"]
    text = stack.compose("exec", "--no-TTY", service, *command).stdout
    assert ("PYTHONUNBUFFERED" in text, named_in(text, secrets)) == (True, [])


def test_no_command_line_of_a_process_holds_a_secret(stack, secrets):
    text = "".join(stack.compose("top", name).stdout for name in OWN)
    assert named_in(text, secrets) == []


def test_the_configuration_that_compose_prints_holds_no_secret(stack, secrets):
    assert named_in(stack.compose("config").stdout, secrets) == []


def test_the_logs_hold_no_secret(stack, secrets):
    assert named_in(stack.logs(), secrets) == []


def test_the_logs_hold_no_token(stack):
    headers = stack.token(f"{FIRST}:read")
    stack.whoami(FIRST, headers)
    ask("GET", stack.url(ADDED, "/api/whoami/"), headers)
    assert headers["Authorization"].removeprefix("Bearer ") not in stack.logs()


def test_no_layer_of_the_image_and_no_line_of_its_history_holds_a_secret(stack, secrets):
    [container] = stack.containers(FIRST)
    names = {value.encode(): name for name, value in secrets.items()}
    found = found_in_image(container["Image"], list(names))
    held = {part: {names[needle] for needle in needles} for part, needles in found.items()}
    assert {part: names for part, names in held.items() if names} == {}


def test_the_scan_of_the_image_sees_what_stands_in_it(stack):
    [container] = stack.containers(FIRST)
    needles = {
        "a file of a layer": b"Serve the service in whose folder this runs",
        "the environment in its configuration": b"PYTHONUNBUFFERED=1",
        "a line of its history": b"useradd --uid 10001",
    }
    found = set().union(*found_in_image(container["Image"], list(needles.values())).values())
    assert {name for name, needle in needles.items() if needle not in found} == set()


def test_the_files_with_secrets_are_closed_to_others(stack):
    folder = stack.project / ".secrets"
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


def test_env_of_the_project_is_not_read_by_a_container(stack):
    names = set(read_env(stack.project))
    assert "DEMO_PASSWORD" in names
    environments = [entry for c in stack.containers() for entry in c["Config"]["Env"]]
    assert [entry for entry in environments if entry.startswith("DEMO_")] == []
