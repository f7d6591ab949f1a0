"""A resource server that cannot reach the authorization server, or has the wrong credentials."""

import pytest
import requests
from _project import env_prefix
from conftest import free_port, until
from infrastructure import get_once, machine_token

WRONG_SECRET = "wrong-0123456789-0123456789-0123456789"


@pytest.fixture
def token(stack, first):
    return machine_token(stack, f"{first['name']}:read")


@pytest.fixture
def cut_off(resource_server):
    """Start a resource server that cannot reach the authorization server."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with resource_server(AUTHORIZATION_SERVER_INTERNAL_URL=nowhere) as server:
        yield server


@pytest.fixture
def refused(resource_server, first):
    """Start a resource server whose introspection secret is wrong."""
    name = f"{env_prefix(first['name'])}_INTROSPECTION_CLIENT_SECRET"
    with resource_server(**{name: WRONG_SECRET}) as server:
        yield server


@pytest.mark.parametrize("fault", ["cut_off", "refused"])
def test_a_token_that_cannot_be_introspected_gets_503(fault, token, request):
    server = request.getfixturevalue(fault)
    response = get_once(f"{server.url}/api/whoami/", token)
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)


def test_a_resource_server_stays_ready_during_an_outage(cut_off):
    assert requests.get(f"{cut_off.url}/health/ready", timeout=10).status_code == 200


def test_a_resource_server_with_refused_credentials_is_not_ready(refused):
    url = f"{refused.url}/health/ready"
    until(lambda: requests.get(url, timeout=10).status_code == 503)


def errors_of(server, token):
    """Return the ERROR lines of a log after one request, which is repeated until there is one."""
    errors = []

    def has_errors():
        get_once(f"{server.url}/api/whoami/", token)
        errors[:] = [line for line in server.log.read_text().splitlines() if "ERROR" in line]
        return errors

    until(has_errors, pause=1)
    return errors


def test_refused_credentials_are_one_line_in_the_log_with_the_client_id(
    refused, token, stack, first
):
    client_id = stack.env[f"{env_prefix(first['name'])}_INTROSPECTION_CLIENT_ID"]
    assert [client_id in line for line in errors_of(refused, token)] == [True]


def test_no_token_and_no_secret_is_in_the_log(refused, token):
    errors_of(refused, token)
    assert [word for word in (token, WRONG_SECRET) if word in refused.log.read_text()] == []
