"""Every process of every resource server refuses a token that has ended before its time.

Two resource servers with two processes each. The caching time is 600 seconds, and no test waits for
so long: without reports of revocations each of them fails.
"""

from contextlib import contextmanager

import pytest
from compose import (
    ADDED,
    AUTHORIZATION_SERVER,
    CACHING_SECONDS,
    FIRST,
    environment_without_make,
    fetch,
    wait_until,
)
from deaths import DEATHS, Django, Victim
from engine import docker

pytestmark = pytest.mark.slow
# Connections are spread over the processes, so that this many reach each of them.
REQUESTS = 12
CACHING_VARIABLE = "RESOURCE_SERVER_TOKEN_CACHING_SECONDS"
ONE_PROCESS, TWO_PROCESSES = 'WEB_CONCURRENCY: "1"', 'WEB_CONCURRENCY: "2"'
# The processes that have asked for reports of revocations.
COUNT = "import glob, sys; sys.exit(len(glob.glob('/tmp/gauge_livemin_*.db')))"
# Seconds for which a token may be accepted without reports: long enough for a few requests.
BOUND = "30"


@contextmanager
def caching_for(stack, seconds):
    """Start the resource servers with another cache lifetime, and two processes each."""
    before = stack.variables
    stack.variables = before | {CACHING_VARIABLE: seconds}
    for service in (FIRST, ADDED):
        path = stack.project / "resource_servers" / service / "compose.override.yml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(ONE_PROCESS, TWO_PROCESSES), encoding="utf-8")
    stack.up("--no-deps", FIRST, ADDED)
    for service in (FIRST, ADDED):
        wait_until(
            lambda service=service: stack.python(service, COUNT, check=False).returncode == 2
        )
    yield stack
    stack.variables = before
    stack.up("--no-deps", FIRST, ADDED)


@pytest.fixture(scope="module")
def caching_stack(extended_stack):
    """Return the stack with a cache lifetime that is longer than these tests."""
    with caching_for(extended_stack, CACHING_SECONDS) as stack:
        yield stack


@contextmanager
def django_in(stack, service):
    """Run Django in the container of a service that has the database."""
    command = ["docker", "compose", "exec", "--no-TTY", service, "python"]
    variables = environment_without_make() | stack.variables
    with Django(*command, cwd=stack.project, env=variables) as django:
        yield django


@pytest.fixture(scope="module")
def new_victim(extended_stack):
    """Return a function that returns a victim whose token each process has accepted."""
    # Not in the container of the authorization server, which tests restart and cut off.
    with django_in(extended_stack, "clear-tokens") as django:

        def new_victim():
            url, scope = extended_stack.url(AUTHORIZATION_SERVER), f"{FIRST}:read {ADDED}:read"
            victim = Victim(url, django, scope)
            for service in (FIRST, ADDED):
                expect(extended_stack, service, victim, 200)
            return victim

        yield new_victim


def expect(stack, service, victim, status):
    """Return when every process answers a victim's token with a status."""
    wait_until(lambda: answers(stack, service, victim) == {status})


def answers(stack, service, victim):
    """Return the statuses of requests over connections of their own."""
    url, headers = stack.url(service, "/api/whoami/"), {"Authorization": f"Bearer {victim.token}"}
    return {fetch("GET", url, headers).status for _ in range(REQUESTS)}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_token_ends_everywhere(caching_stack, new_victim, death):
    victim = new_victim()
    death.happens(victim)
    try:
        for service in (FIRST, ADDED):
            expect(caching_stack, service, victim, 401)
    finally:
        victim.run(death.undo)


def test_a_token_that_ends_while_a_resource_server_is_paused_ends_after_it(
    caching_stack, new_victim
):
    victim = new_victim()
    caching_stack.compose("pause", FIRST)
    DEATHS["the token is deleted"].happens(victim)
    caching_stack.compose("restart", AUTHORIZATION_SERVER)
    caching_stack.compose("unpause", FIRST)
    expect(caching_stack, FIRST, victim, 401)


@contextmanager
def cut_off(stack, service):
    """Take a container off its networks: what is sent to it gets no answer, not even a reset."""
    [container] = stack.containers(service)
    networks = container["NetworkSettings"]["Networks"]
    for network in networks:
        docker("network", "disconnect", network, container["Id"])
    try:
        yield
    finally:
        for network, settings in networks.items():
            aliases = [f"--alias={alias}" for alias in settings["Aliases"]]
            docker("network", "connect", *aliases, network, container["Id"])


def test_a_cut_network_leaves_the_caching_time_and_loses_no_revocation(extended_stack, new_victim):
    """With reports, a token would be accepted for 600 seconds."""
    with caching_for(extended_stack, BOUND) as stack:
        dead, alive = new_victim(), new_victim()
        with cut_off(stack, AUTHORIZATION_SERVER):
            DEATHS["the token is deleted"].happens(dead)
            assert answers(stack, FIRST, dead) == {200}
            for service in (FIRST, ADDED):
                expect(stack, service, dead, 503)
        for service in (FIRST, ADDED):
            expect(stack, service, dead, 401)
            expect(stack, service, alive, 200)
