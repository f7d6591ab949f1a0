"""`docker compose up` starts a project that was just generated, and one that has grown."""

import re
from datetime import datetime

import pytest
from compose import AUTHORIZATION_SERVER
from conftest import ADDED, FIRST

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("containers")]

ORDER = [
    "postgres",
    "authorization-server-provision",
    "authorization-server-migrate",
    "ensure-clients",
    AUTHORIZATION_SERVER,
    FIRST,
]


def started(container):
    """Return when a container was started."""
    return datetime.fromisoformat(container["State"]["StartedAt"][:26].rstrip("Z"))


def finished(container):
    """Return when a container that runs once has come to its end."""
    return datetime.fromisoformat(container["State"]["FinishedAt"][:26].rstrip("Z"))


def test_up_of_a_fresh_project_exits_with_0(first_up):
    stack, process = first_up
    assert process.returncode == 0, f"{process.stdout}\n{stack.logs()}"


def test_up_after_a_resource_server_was_added_exits_with_0(added):
    stack, process, _, _ = added
    assert process.returncode == 0, f"{process.stdout}\n{stack.logs()}"


def test_a_resource_server_that_runs_is_left_alone_when_another_is_added(added):
    _, _, before, after = added
    assert after == before


def test_the_whole_flow_works(stack):
    process = stack.make("smoke", check=False)
    assert process.returncode == 0, process.stdout


def test_each_service_is_healthy(stack):
    long_lived = ["postgres", "valkey", "clear-tokens", *stack.services]
    health = {
        container["Config"]["Labels"]["com.docker.compose.service"]: container["State"]["Health"][
            "Status"
        ]
        for container in stack.containers(*long_lived)
    }
    assert health == dict.fromkeys(long_lived, "healthy")


def test_no_service_waits_for_luck(broken_stack):
    broken_stack.compose("down")
    broken_stack.up()
    [[a], [b]] = [broken_stack.containers(name) for name in ORDER[2:4]]
    assert finished(a) <= started(b)


def test_the_issuer_is_the_same_seen_from_outside_and_from_inside(stack):
    code = (
        "import json, urllib.request as u; print(json.load(u.urlopen("
        "'http://authorization-server:8000/.well-known/oauth-authorization-server'))['issuer'])"
    )
    inside = stack.python(FIRST, code).stdout.strip()
    assert inside == stack.whoami(FIRST, stack.token(f"{FIRST}:read")).json["iss"]


def test_make_up_prints_the_seconds_to_the_first_accepted_token(stack):
    assert re.search(r"\d+(\.\d+)? s", stack.make("up").stdout)


def test_make_down_stops_everything(broken_stack):
    broken_stack.make("down")
    assert broken_stack.containers() == []


def test_another_resource_server_has_a_name_that_is_valid_in_dns(stack):
    code = f"import socket; print(socket.gethostbyname('{ADDED}'))"
    assert re.fullmatch(r"[\d.]+", stack.python(FIRST, code).stdout.strip())
