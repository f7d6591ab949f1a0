"""What the resource servers answer, with a real authorization server and real tokens."""

import concurrent.futures
import time

import pytest
import requests
from conftest import answered, get_once


def challenge(response):
    return response.headers["WWW-Authenticate"]


def test_a_token_of_one_resource_server_is_refused_by_another(stack, get, first, second):
    token = stack.machine_token(f"{first['name']}:read")
    response = get(stack.api(second["name"]), token)
    assert (response.status_code, 'error="invalid_token"' in challenge(response)) == (401, True)


def test_a_token_that_names_its_resource_is_accepted_there(stack, get, first):
    token = stack.machine_token(f"{first['name']}:read", resource=first["audience"])
    assert get(stack.api(first["name"]), token).status_code == 200


def test_a_token_that_names_its_resource_is_refused_elsewhere(stack, get, first, second):
    scope = f"{first['name']}:read {second['name']}:read"
    token = stack.machine_token(scope, resource=first["audience"])
    assert get(stack.api(second["name"]), token).status_code == 401


def test_each_resource_server_sees_its_own_scopes_only(stack, get, first, second):
    token = stack.machine_token(f"{first['name']}:read {second['name']}:read")
    assert get(stack.api(second["name"]), token).json()["scope"] == f"{second['name']}:read"


def test_a_token_without_the_scope_is_told_which_one_is_missing(stack, first):
    token = stack.machine_token(f"{first['name']}:read")
    response = answered(
        lambda: requests.post(
            stack.api(first["name"], "items/"),
            json={"name": "Lamp"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
    )
    assert (response.status_code, f'scope="{first["name"]}:write"' in challenge(response)) == (
        403,
        True,
    )


def test_a_request_without_a_token_is_challenged_without_an_error(stack, first):
    response = requests.get(stack.api(first["name"]), timeout=10)
    assert (response.status_code, "error" in challenge(response)) == (401, False)


def test_a_token_in_the_url_is_a_bad_request(stack, first):
    token = stack.machine_token(f"{first['name']}:read")
    response = requests.get(stack.api(first["name"]), {"access_token": token}, timeout=10)
    assert (response.status_code, 'error="invalid_request"' in challenge(response)) == (400, True)


# 503 would be an authorization server, and 431 a web server, that cannot take it.
@pytest.mark.parametrize(("length", "status"), [(16_000, 401), (16_001, 400)])
def test_a_token_of_the_greatest_length_is_asked_about(stack, get, first, length, status):
    assert get(stack.api(first["name"]), "x" * length).status_code == status


def test_a_revoked_token_is_refused_within_the_caching_time(stack, get, first):
    token = stack.machine_token(f"{first['name']}:read")
    url = stack.api(first["name"])
    assert get(url, token).status_code == 200
    revocation = stack.client("DEMO_MACHINE").revoke_token(f"{stack.url}/o/revoke_token/", token)
    assert revocation.status_code == 200
    time.sleep(int(stack.env["RESOURCE_SERVER_TOKEN_CACHING_SECONDS"]) + 0.5)
    assert get(url, token).status_code == 401


def test_many_first_uses_of_one_token_at_the_same_time_all_succeed(stack, first):
    url = stack.api(first["name"])
    # They may be refused when the one answer for all takes a second, which it does not five times.
    for _ in range(5):
        token = stack.machine_token(f"{first['name']}:read")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(get_once, [url] * 16, [token] * 16))
        statuses = {answer.status_code for answer in answers}
        if 503 not in statuses:
            break
    assert statuses == {200}


def test_the_demo_machine_may_not_introspect(stack, first):
    token = stack.machine_token(f"{first['name']}:read")
    response = requests.post(
        f"{stack.url}/o/introspect/",
        {"token": token},
        auth=(stack.env["DEMO_MACHINE_CLIENT_ID"], stack.env["DEMO_MACHINE_CLIENT_SECRET"]),
        timeout=10,
    )
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_the_issuer_is_the_public_address_seen_from_everywhere(stack, get, first):
    token = stack.machine_token(f"{first['name']}:read")
    metadata = requests.get(f"{stack.url}/.well-known/oauth-authorization-server", timeout=10)
    protected = requests.get(
        stack.env[f"{first['name'].upper().replace('-', '_')}_URL"]
        + "/.well-known/oauth-protected-resource",
        timeout=10,
    )
    assert {
        metadata.json()["issuer"],
        *protected.json()["authorization_servers"],
        get(stack.api(first["name"]), token).json()["iss"],
    } == {stack.url}
