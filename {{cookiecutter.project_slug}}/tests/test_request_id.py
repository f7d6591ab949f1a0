"""One identifier goes with a request through the logs of both services."""

import secrets
import time

import requests
from conftest import prefix_of
from test_outage import resource_server


def test_a_request_keeps_its_identifier(stack, first):
    response = requests.get(stack.api(first["name"]), headers={"X-Request-ID": "abc"}, timeout=10)
    assert response.headers["X-Request-ID"] == "abc"


def test_both_services_log_a_refused_introspection_with_the_identifier_of_the_request(
    stack, first, tmp_path
):
    name = f"{prefix_of(first['name'])}_INTROSPECTION_CLIENT_SECRET"
    identifier = secrets.token_hex(16)
    headers = {"X-Request-ID": identifier, "Authorization": "Bearer made-up"}
    log = tmp_path / "log"
    with resource_server(stack, first, log, **{name: "wrong-" * 8}) as url:
        for _ in range(100):  # The authorization server may log one refusal a second.
            requests.get(f"{url}/api/whoami/", headers=headers, timeout=10)
            if f"[{identifier}]" in stack.log.read_text():
                break
            time.sleep(0.2)
    assert f"[{identifier}]" in log.read_text()
    assert f"[{identifier}]" in stack.log.read_text()
