"""A request has one identifier in the logs of both services."""

import secrets

import requests
from _project import env_prefix
from conftest import until

WRONG_SECRET = "wrong-0123456789-0123456789-0123456789"


def test_a_request_keeps_its_identifier(stack, first):
    response = requests.get(stack.api(first["name"]), headers={"X-Request-ID": "abc"}, timeout=10)
    assert response.headers["X-Request-ID"] == "abc"


def test_both_services_log_a_refused_introspection_with_the_identifier_of_the_request(
    stack, first, resource_server
):
    identifier = secrets.token_hex(16)
    headers = {"X-Request-ID": identifier, "Authorization": "Bearer made-up"}
    name = f"{env_prefix(first['name'])}_INTROSPECTION_CLIENT_SECRET"
    with resource_server(**{name: WRONG_SECRET}) as server:

        def is_logged():  # The authorization server logs at most one refusal a second.
            requests.get(f"{server.url}/api/whoami/", headers=headers, timeout=10)
            return identifier in stack.log.read_text()

        until(is_logged)
    assert f"[{identifier}]" in server.log.read_text()
