"""Tokens at the resource servers, beyond the steps of the smoke flow."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from infrastructure import get_once, machine_token


# Clients that parse the address write its empty path as `/`.
@pytest.mark.parametrize("path", ["", "/"])
def test_a_token_that_names_its_resource_is_accepted_there(stack, get, first, path):
    resource = stack.api(first["name"], path)
    token = machine_token(stack, f"{first['name']}:read", resource=resource)
    assert get(stack.api(first["name"]), token).status_code == 200


def test_the_resource_in_the_metadata_is_the_address_of_the_request(stack, first):
    url = stack.api(first["name"], "/.well-known/oauth-protected-resource")
    assert requests.get(url, timeout=10).json()["resource"] == stack.api(first["name"], "")


def test_a_token_that_names_its_resource_is_refused_elsewhere(stack, get, first, second):
    scope = f"{first['name']}:read {second['name']}:read"
    token = machine_token(stack, scope, resource=stack.api(first["name"], ""))
    assert get(stack.api(second["name"]), token).status_code == 401


def test_each_resource_server_sees_its_own_scopes_only(stack, get, first, second):
    token = machine_token(stack, f"{first['name']}:read {second['name']}:read")
    assert get(stack.api(second["name"]), token).json()["scope"] == f"{second['name']}:read"


def test_a_token_in_the_url_is_a_bad_request(stack, first):
    token = machine_token(stack, f"{first['name']}:read")
    response = requests.get(stack.api(first["name"]), {"access_token": token}, timeout=10)
    challenge = response.headers["WWW-Authenticate"]
    assert (response.status_code, 'error="invalid_request"' in challenge) == (400, True)


# 503 would come from an authorization server, and 431 from a web server, that refuses the length.
@pytest.mark.parametrize(("length", "status"), [(16_000, 401), (16_001, 400)])
def test_a_token_of_the_maximum_length_is_introspected(stack, get, first, length, status):
    assert get(stack.api(first["name"]), "x" * length).status_code == status


def test_concurrent_first_uses_of_one_token_all_succeed(stack, first):
    url = stack.api(first["name"])
    # They get 503 if the one introspection takes longer than a second, on a busy machine.
    for _ in range(5):
        token = machine_token(stack, f"{first['name']}:read")
        with ThreadPoolExecutor(8) as pool:
            statuses = {each.status_code for each in pool.map(get_once, [url] * 16, [token] * 16)}
        if 503 not in statuses:
            break
    assert statuses == {200}


def test_the_issuer_is_the_public_address_in_every_document(stack, get, first):
    token = machine_token(stack, f"{first['name']}:read")
    metadata = requests.get(f"{stack.url}/.well-known/oauth-authorization-server", timeout=10)
    url = stack.api(first["name"], "/.well-known/oauth-protected-resource")
    protected = requests.get(url, timeout=10)
    assert {
        metadata.json()["issuer"],
        *protected.json()["authorization_servers"],
        get(stack.api(first["name"]), token).json()["iss"],
    } == {stack.url}
