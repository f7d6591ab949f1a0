"""A container mounts only its own secrets, and no image, log or configuration has a secret."""

import json

import pytest
from compose import ADDED, AUTHORIZATION_SERVER, FIRST, fetch
from confidential import leaked_names, secrets_of
from layers import found_in_image
from stack import read_env

pytestmark = pytest.mark.slow

SERVER = ["SECRET_KEY", "INTROSPECTION_CLIENT_SECRET", "DATABASE_URL", "CACHE_URL"]
# The secrets in /run/secrets of each long-lived service.
OWN = {
    "postgres": {"POSTGRES_PASSWORD"},
    "valkey": {"VALKEY_PASSWORD"},
    AUTHORIZATION_SERVER: {
        "AUTHORIZATION_SERVER_SECRET_KEY",
        "AUTHORIZATION_SERVER_DATABASE_URL",
    },
    "clear-tokens": {
        "AUTHORIZATION_SERVER_SECRET_KEY",
        "AUTHORIZATION_SERVER_DATABASE_URL",
        "AUTHORIZATION_SERVER_AUDIT_KEY",
    },
    FIRST: {f"ORDERS_{suffix}" for suffix in SERVER},
    ADDED: {f"ORDER_HISTORY_{suffix}" for suffix in SERVER},
}
OWN_IMAGE_SERVICES = [AUTHORIZATION_SERVER, "clear-tokens", FIRST, ADDED]
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
# The settings of other issuers; the files are empty until `.env` names one.
ISSUERS = {FIRST: {"ORDERS_ISSUERS.env"}, ADDED: {"ORDER_HISTORY_ISSUERS.env"}}
FILES = {
    service: names | ISSUERS.get(service.removesuffix("-migrate"), set())
    for service, names in (OWN | ONCE).items()
}
# Empty likewise.
FILES[AUTHORIZATION_SERVER] = OWN[AUTHORIZATION_SERVER] | {"AUTHORIZATION_SERVER.env"}


@pytest.fixture(scope="session")
def secrets(extended_stack):
    """Return the secrets of the project by name."""
    return secrets_of(extended_stack.project)


def service_of(container):
    return container["Config"]["Labels"]["com.docker.compose.service"]


def test_the_search_covers_every_secret(secrets):
    expected = {f"{name}_{suffix}" for name in ("ORDERS", "ORDER_HISTORY") for suffix in SERVER}
    expected |= ADMINISTRATORS | {"DEMO_PASSWORD", "DEMO_MACHINE_CLIENT_SECRET"}
    expected |= OWN[AUTHORIZATION_SERVER]
    assert expected - set(secrets) == set()


@pytest.mark.parametrize("service", OWN)
def test_a_service_has_only_its_own_secret_files(stack, service):
    listing = stack.compose("exec", "--no-TTY", service, "ls", "/run/secrets").stdout
    assert set(listing.split()) == FILES[service]


@pytest.mark.parametrize("service", OWN)
def test_a_service_reads_no_secret_of_another(stack, service, secrets):
    text = stack.compose("exec", "--no-TTY", service, "sh", "-c", "cat /run/secrets/*").stdout
    assert set(leaked_names(text, secrets)) == OWN[service]


def test_each_container_mounts_the_expected_secrets(stack):
    mounted = {
        service_of(container): {
            mount["Destination"].removeprefix("/run/secrets/")
            for mount in container["Mounts"]
            if mount["Destination"].startswith("/run/secrets/")
        }
        for container in stack.containers()
    }
    assert mounted == FILES


def test_no_container_mounts_the_folder_with_all_secrets(stack):
    folders = [str(stack.project / name) for name in ("", ".env", ".secrets")]
    sources = [mount["Source"] for c in stack.containers() for mount in c["Mounts"]]
    assert [source for source in sources if source.rstrip("/") in folders] == []


def test_docker_inspect_shows_no_secret(stack, secrets):
    leaks = {service_of(c): leaked_names(json.dumps(c), secrets) for c in stack.containers()}
    assert {service: names for service, names in leaks.items() if names} == {}


@pytest.mark.parametrize("service", OWN_IMAGE_SERVICES)
def test_the_environment_of_a_process_has_no_secret(stack, service, secrets):
    command = ["sh", "-c", "cat /proc/[0-9]*/environ || true"]
    text = stack.compose("exec", "--no-TTY", service, *command).stdout
    assert ("PYTHONUNBUFFERED" in text, leaked_names(text, secrets)) == (True, [])


def test_the_command_line_of_a_process_has_no_secret(stack, secrets):
    text = "".join(stack.compose("top", name).stdout for name in OWN)
    assert leaked_names(text, secrets) == []


def test_docker_compose_config_shows_no_secret(stack, secrets):
    assert leaked_names(stack.compose("config").stdout, secrets) == []


def test_the_logs_have_no_secret(stack, secrets):
    assert leaked_names(stack.logs(), secrets) == []


def test_the_logs_have_no_token(stack):
    headers = stack.token(f"{FIRST}:read")
    stack.whoami(FIRST, headers)
    fetch("GET", stack.url(ADDED, "/api/whoami/"), headers)
    assert headers["Authorization"].removeprefix("Bearer ") not in stack.logs()


def test_the_layers_and_the_history_of_the_image_have_no_secret(stack, secrets):
    [container] = stack.containers(FIRST)
    names = {value.encode(): name for name, value in secrets.items()}
    found = found_in_image(container["Image"], list(names))
    leaks = {part: {names[needle] for needle in needles} for part, needles in found.items()}
    assert {part: names for part, names in leaks.items() if names} == {}


def test_the_scan_of_the_image_finds_files_environment_and_history(stack):
    [container] = stack.containers(FIRST)
    needles = {
        "a file of a layer": b"Serve the service in whose folder this runs",
        "the environment in its configuration": b"PYTHONUNBUFFERED=1",
        "a line of its history": b"useradd --uid 10001",
    }
    found = set().union(*found_in_image(container["Image"], list(needles.values())).values())
    assert {name for name, needle in needles.items() if needle not in found} == set()


def test_the_folder_with_secrets_is_closed_to_others(stack):
    folder = stack.project / ".secrets"
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


def test_no_container_has_variables_of_env(stack):
    names = set(read_env(stack.project))
    assert "DEMO_PASSWORD" in names
    environments = [entry for c in stack.containers() for entry in c["Config"]["Env"]]
    assert [entry for entry in environments if entry.startswith("DEMO_")] == []
