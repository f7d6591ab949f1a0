"""What a restart costs: requests with a token that is remembered are answered meanwhile.

The load is on one resource server, with one token that it has seen.
"""

from contextlib import suppress

import pytest
from compose import ADDED, AUTHORIZATION_SERVER, FIRST, REMEMBERED_SECONDS, ask, wait_until
from load import Load, connection_pool
from urllib3.exceptions import HTTPError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def remembering(grown_stack):
    """Let the first resource server remember a token for as long as these tests take."""
    variable = {"RESOURCE_SERVER_TOKEN_CACHING_SECONDS": REMEMBERED_SECONDS}
    grown_stack.variables |= variable
    grown_stack.up("--no-deps", FIRST)
    yield grown_stack
    for name in variable:
        del grown_stack.variables[name]
    grown_stack.up("--no-deps", FIRST)


@pytest.fixture
def load(remembering):
    """Return the load on the first resource server, which has begun."""
    headers = remembering.token(f"{FIRST}:read")
    assert remembering.whoami(FIRST, headers).status == 200
    with connection_pool(remembering.url(FIRST), threads=4) as pool:
        with Load(pool, "/api/whoami/", headers) as load:
            yield load


def accepts_new_tokens(stack, service):
    """Return whether a new token is accepted."""
    with suppress(AssertionError, HTTPError):  # No token yet, or no answer.
        headers = stack.token(f"{service}:read")
        return ask("GET", stack.url(service, "/api/whoami/"), headers).status == 200


@pytest.mark.parametrize(
    "service", [AUTHORIZATION_SERVER, "postgres", "valkey", "clear-tokens", ADDED]
)
def test_a_restart_of_another_service_loses_no_request(remembering, load, service):
    before = load.total
    remembering.compose("restart", service)
    remembering.up("--no-deps", "--no-recreate", service)  # returns when it is healthy
    during = load.total - before
    assert (set(load.answers), during > 0) == ({200}, True)


@pytest.mark.parametrize("service", [AUTHORIZATION_SERVER, "postgres", "valkey"])
def test_new_tokens_are_accepted_after_a_restart(remembering, service):
    remembering.compose("restart", service)
    wait_until(lambda: accepts_new_tokens(remembering, FIRST))


def test_a_restart_of_the_resource_server_itself_blames_no_token(remembering, load):
    remembering.compose("restart", FIRST)
    wait_until(lambda: accepts_new_tokens(remembering, FIRST))
    load.wait_for_more()
    answered = {answer for answer in load.answers if isinstance(answer, int)}
    # It may say that it does not know yet: it is cold, and waits for 2 seconds at most.
    assert {200} <= answered <= {200, 503}


def test_a_token_that_is_remembered_works_while_the_database_is_away(remembering, load):
    remembering.compose("stop", "postgres")
    try:
        load.wait_for_more(200)
        assert set(load.answers) == {200}
    finally:
        remembering.up("--no-deps", "--no-recreate", "postgres")  # returns when it is healthy


def test_a_new_token_is_503_while_the_authorization_server_is_away(remembering):
    headers = remembering.token(f"{FIRST}:read")
    remembering.compose("stop", AUTHORIZATION_SERVER)
    try:
        answer = ask("GET", remembering.url(FIRST, "/api/whoami/"), headers)
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)
    finally:
        remembering.compose("start", AUTHORIZATION_SERVER)
    wait_until(lambda: accepts_new_tokens(remembering, FIRST))


def test_every_service_works_again_after_the_database_was_away(remembering):
    remembering.compose("stop", "postgres")
    remembering.compose("start", "postgres")
    wait_until(lambda: accepts_new_tokens(remembering, FIRST))
    wait_until(lambda: accepts_new_tokens(remembering, ADDED))
