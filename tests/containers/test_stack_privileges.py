"""Containers, roles in PostgreSQL and users of Valkey have the least privileges."""

import pytest
from compose import ADDED, AUTHORIZATION_SERVER, FIRST, wait_until
from engine import inspect

pytestmark = pytest.mark.slow

BASE_IMAGE = "python:3.13-slim-trixie"
MIB = 2**20
LARGEST_MIB = 250
LONG_LIVED = ["postgres", "valkey", AUTHORIZATION_SERVER, "clear-tokens", FIRST, ADDED]
OWN_IMAGE_SERVICES = LONG_LIVED[2:]
CONNECT = """
import os, sys, psycopg
from pathlib import Path
from urllib.parse import urlsplit
url = urlsplit(Path("/run/secrets/ORDERS_DATABASE_URL").read_text().strip())
try:
    with psycopg.connect(url._replace(path="/" + {database!r}).geturl(), connect_timeout=30) as c:
        print(c.execute({statement!r}).fetchone())
except psycopg.Error as error:
    print(type(error).__name__, error)
"""
CACHE = """
import redis
from pathlib import Path
client = redis.from_url(Path("/run/secrets/ORDERS_CACHE_URL").read_text().strip())
try:
    print(client.execute_command(*{command!r}))
except redis.RedisError as error:
    print(type(error).__name__, error)
"""


def answer_of_postgres(stack, database, statement="SELECT 'connected'"):
    """Return the result or the error of a statement as the role of orders in a database."""
    return stack.python(FIRST, CONNECT.format(database=database, statement=statement)).stdout


def answer_of_valkey(stack, *command):
    """Return the result or the error of a Valkey command as the user of orders."""
    return stack.python(FIRST, CACHE.format(command=command)).stdout


def container_of(stack, service):
    [container] = stack.containers(service)
    return container


# --- Containers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("service", LONG_LIVED)
def test_no_process_is_root(stack, service):
    command = ["sh", "-c", "grep -h ^Uid: /proc/[0-9]*/status | sort -u"]

    def has_no_root():
        lines = stack.compose("exec", "--no-TTY", service, *command).stdout.splitlines()
        return not [line for line in lines if "0" in line.split()[1:]]

    # A process that the engine starts, as a health check, is root until it has switched the user.
    wait_until(has_no_root)


@pytest.mark.parametrize("service", OWN_IMAGE_SERVICES)
def test_a_service_of_the_own_image_has_its_user(stack, service):
    assert stack.compose("exec", "--no-TTY", service, "id", "-u").stdout.strip() == "10001"


@pytest.mark.parametrize("service", LONG_LIVED)
def test_no_process_has_a_capability(stack, service):
    command = ["sh", "-c", "grep -h ^Cap[EPB] /proc/1/status"]
    lines = stack.compose("exec", "--no-TTY", service, *command).stdout.splitlines()
    assert {int(line.split()[1], 16) for line in lines} == {0}


@pytest.mark.parametrize("service", LONG_LIVED)
def test_no_process_can_gain_privileges(stack, service):
    assert container_of(stack, service)["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", LONG_LIVED)
def test_the_root_file_system_cannot_be_written(stack, service):
    command = ["sh", "-c", "touch /written"]
    assert (
        "Read-only file system"
        in stack.compose("exec", "--no-TTY", "--user", "0", service, *command, check=False).stdout
    )


@pytest.mark.parametrize("service", OWN_IMAGE_SERVICES)
def test_the_code_cannot_be_written(stack, service):
    command = ["sh", "-c", "touch /project/written /project/deploy/written"]
    process = stack.compose("exec", "--no-TTY", service, *command, check=False)
    assert process.returncode != 0


def test_no_container_is_privileged_or_in_a_namespace_of_the_host(stack):
    unrestricted = [
        container["Name"]
        for container in stack.containers()
        if container["HostConfig"]["Privileged"]
        or "host" in [container["HostConfig"][f"{kind}Mode"] for kind in ("Network", "Pid", "Ipc")]
    ]
    assert unrestricted == []


def test_each_container_has_an_init_process(stack):
    assert [c["Name"] for c in stack.containers() if not c["HostConfig"]["Init"]] == []


def test_the_image_is_at_most_250_mib_above_its_base(stack):
    [image, base] = inspect(container_of(stack, FIRST)["Image"], BASE_IMAGE)
    assert (image["Size"] - base["Size"]) / MIB <= LARGEST_MIB


# --- Network --------------------------------------------------------------------------------------


def test_ports_are_published_on_the_loopback_interface_only(stack):
    published = {
        (service, binding["HostIp"])
        for service in LONG_LIVED
        for bindings in container_of(stack, service)["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }
    assert published == {(service, "127.0.0.1") for service in stack.services}


def test_the_databases_are_in_internal_networks_only(stack):
    databases = stack.containers("postgres", "valkey")
    names = {name for each in databases for name in each["NetworkSettings"]["Networks"]}
    assert {network["Internal"] for network in inspect(*names)} == {True}


# --- PostgreSQL -----------------------------------------------------------------------------------


def test_a_service_connects_to_its_own_database(stack):
    assert "connected" in answer_of_postgres(stack, FIRST)


@pytest.mark.parametrize("database", [AUTHORIZATION_SERVER, ADDED, "postgres", "template1"])
def test_a_service_connects_to_no_other_database(stack, database):
    assert "permission denied for database" in answer_of_postgres(stack, database)


@pytest.mark.parametrize("right", ["rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication"])
def test_the_role_of_a_service_has_no_global_right(stack, right):
    statement = f"SELECT {right} FROM pg_roles WHERE rolname = current_user"
    assert answer_of_postgres(stack, FIRST, statement).strip() == "(False,)"


def test_passwords_are_stored_as_scram_verifiers(stack):
    query = "SELECT count(*) FROM pg_authid WHERE rolpassword NOT LIKE 'SCRAM-SHA-256$%'"
    command = ["psql", "--tuples-only", "--no-align", "--command", query]
    assert stack.compose("exec", "--no-TTY", "postgres", *command).stdout.strip() == "0"


# --- Valkey ---------------------------------------------------------------------------------------


def test_a_service_writes_keys_with_its_prefix(stack):
    assert "True" in answer_of_valkey(stack, "SET", f"{FIRST}:test", "1", "EX", "1")


@pytest.mark.parametrize(
    "command",
    [
        ("GET", f"{ADDED}:1:key"),
        ("SET", f"{ADDED}:1:key", "1"),
        ("GET", f"{FIRST}-other:key"),
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("EVAL", "return 1", "0"),
        ("MONITOR",),
    ],
    ids=" ".join,
)
def test_a_service_has_no_permission_for_other_keys_and_commands(stack, command):
    assert answer_of_valkey(stack, *command).startswith("NoPermissionError")


def test_the_cache_requires_a_password(stack):
    command = ["valkey-cli", "GET", f"{FIRST}:1:key"]
    assert "NOAUTH" in stack.compose("exec", "--no-TTY", "valkey", *command).stdout


def as_administrator(stack, command):
    """Return the result of a Valkey command as the administrator."""
    script = f"REDISCLI_AUTH=$(cat /run/secrets/VALKEY_PASSWORD) valkey-cli --user admin {command}"
    return stack.compose("exec", "--no-TTY", "valkey", "sh", "-c", script).stdout


def test_introspection_responses_are_in_the_cache(stack):
    key = f"{FIRST}:1:oauth_resource_server:"

    def is_cached():
        stack.whoami(FIRST, stack.token(f"{FIRST}:read"))
        return key in as_administrator(stack, f"--scan --pattern '{key}*'")

    # A resource server waits for the cache for at most 0.25 s, and entries expire after 10 s.
    wait_until(is_cached)


@pytest.mark.parametrize(
    ("setting", "value"), [("maxmemory", "67108864"), ("maxmemory-policy", "allkeys-lru")]
)
def test_the_memory_of_the_cache_is_bounded(stack, setting, value):
    assert as_administrator(stack, f"CONFIG GET {setting}").split() == [setting, value]
