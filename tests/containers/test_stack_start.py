"""`docker compose up` starts a new project, and a project with an added resource server."""

import re
from itertools import pairwise

import pytest
from compose import ADDED, AUTHORIZATION_SERVER, FIRST

pytestmark = pytest.mark.slow

# All but the last are one-shots.
STEPS = [
    "authorization-server-provision",
    "authorization-server-migrate",
    "ensure-clients",
    AUTHORIZATION_SERVER,
]


def service_of(container):
    """Return the service of a container."""
    return container["Config"]["Labels"]["com.docker.compose.service"]


def test_up_of_a_fresh_project_exits_with_0(first_up):
    stack, process, _ = first_up
    assert process.returncode == 0, f"{process.stdout}\n{stack.logs()}"


def test_up_after_a_resource_server_was_added_exits_with_0(added):
    stack, process = added
    assert process.returncode == 0, f"{process.stdout}\n{stack.logs()}"


def test_the_smoke_flow_passes(stack):
    process = stack.make("smoke", check=False)
    assert process.returncode == 0, process.stdout


def test_each_service_is_healthy(stack):
    long_lived = ["postgres", "valkey", "clear-tokens", *stack.services]
    health = {
        service_of(container): container["State"]["Health"]["Status"]
        for container in stack.containers(*long_lived)
    }
    assert health == dict.fromkeys(long_lived, "healthy")


@pytest.mark.parametrize(("first", "second"), list(pairwise(STEPS)))
def test_a_step_starts_after_the_end_of_the_previous_one(first_up, first, second):
    by_name = {service_of(container): container["State"] for container in first_up[2]}
    assert by_name[first]["FinishedAt"] < by_name[second]["StartedAt"]


def test_a_resource_server_starts_after_the_authorization_server(first_up):
    by_name = {service_of(container): container["State"] for container in first_up[2]}
    assert by_name[AUTHORIZATION_SERVER]["StartedAt"] < by_name[FIRST]["StartedAt"]


def test_the_issuer_is_the_same_inside_and_outside_of_the_network(stack):
    code = (
        "import json, urllib.request as u; print(json.load(u.urlopen("
        "'http://authorization-server:8000/.well-known/oauth-authorization-server'))['issuer'])"
    )
    inside = stack.python(FIRST, code).stdout.strip()
    assert inside == stack.whoami(FIRST, stack.token(f"{FIRST}:read")).json["iss"]


def test_the_name_of_a_resource_server_resolves(stack):
    code = f"import socket; print(socket.gethostbyname('{ADDED}'))"
    assert re.fullmatch(r"[\d.]+", stack.python(FIRST, code).stdout.strip())
