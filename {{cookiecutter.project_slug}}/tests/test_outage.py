"""A resource server beside the stack whose authorization server is away, or does not know it."""

import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import requests
from conftest import ROOT, START_SECONDS, answers, free_port, get_once, prefix_of


@contextmanager
def resource_server(stack, manifest, log, **variables):
    """Start one more process of a resource server with other `variables`; yield its address."""
    port = free_port()
    folder = ROOT / "resource_servers" / manifest["name"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, ROOT / "deploy" / "serve.py", f"127.0.0.1:{port}"],
            cwd=folder,
            env=stack.environment | stack.env | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/health/live")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(url):
    """Return when `url` answers 200."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if answers(url):
            return
        time.sleep(0.1)
    pytest.fail(f"{url} does not answer")


@pytest.fixture
def token(stack, first):
    return stack.machine_token(f"{first['name']}:read")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def without_authorization_server(stack, first, log):
    """The address of a resource server that reaches nobody."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with resource_server(stack, first, log, AUTHORIZATION_SERVER_INTERNAL_URL=nowhere) as url:
        yield url


@pytest.fixture
def with_wrong_secret(stack, first, log):
    """The address of a resource server whose secret is not the registered one."""
    name = f"{prefix_of(first['name'])}_INTROSPECTION_CLIENT_SECRET"
    with resource_server(stack, first, log, **{name: "wrong-" * 8}) as url:
        yield url


def test_an_outage_is_not_the_clients_fault(without_authorization_server, token):
    response = get_once(f"{without_authorization_server}/api/whoami/", token)
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)


def test_an_outage_does_not_take_the_resource_server_out_of_service(without_authorization_server):
    assert requests.get(f"{without_authorization_server}/health/ready", timeout=10).ok


def test_refused_credentials_are_not_the_clients_fault(with_wrong_secret, token):
    response = get_once(f"{with_wrong_secret}/api/whoami/", token)
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)


def test_a_resource_server_with_refused_credentials_is_not_ready(with_wrong_secret):
    # It is ready while nobody refuses them in time, and finds out a few seconds later.
    for _ in range(10):
        response = requests.get(f"{with_wrong_secret}/health/ready", timeout=10)
        if response.status_code == 503:
            break
        time.sleep(1)
    assert response.status_code == 503


def test_refused_credentials_are_logged_once_a_request_and_plainly(
    with_wrong_secret, token, log, stack, first
):
    for _ in range(10):  # Nobody refuses them in time where the machine is busy.
        get_once(f"{with_wrong_secret}/api/whoami/", token)
        if errors := [line for line in log.read_text().splitlines() if "ERROR" in line]:
            break
    client_id = stack.env[f"{prefix_of(first['name'])}_INTROSPECTION_CLIENT_ID"]
    assert [client_id in line for line in errors] == [True]


def test_no_token_and_no_secret_is_in_the_log(with_wrong_secret, token, log):
    get_once(f"{with_wrong_secret}/api/whoami/", token)
    assert [word for word in (token, "wrong-wrong-") if word in log.read_text()] == []
