"""Tokens of `oidc-provider`: JWTs (RFC 9068), opaque tokens (RFC 7662), rotation and outages."""

import re
import threading
import time

import pytest
import requests
from servers import (
    INVENTORY,
    OPAQUE_INVENTORY,
    ORDERS,
    create_item,
    eventually,
    manage,
    oidc_provider,
    resource_server,
    rfc9068,
    whoami,
)
from stack import STOP_SECONDS

pytestmark = pytest.mark.slow


class TestJWTs:
    def test_a_token_of_rfc_9068_is_accepted(self, provider, orders):
        answer = whoami(orders, provider.token("orders:read", resource=ORDERS))
        members = [answer.json()[name] for name in ("sub", "client_id", "scope", "iss")]
        assert members == ["importer", "importer", "orders:read", provider.url]

    def test_a_token_without_the_scope_is_forbidden(self, provider, orders):
        token = provider.token("orders:read", resource=ORDERS)
        assert create_item(orders, token, "Lamp").status_code == 403

    def test_a_token_for_another_resource_server_is_refused(self, provider, orders):
        token = provider.token("orders:read", resource=INVENTORY)
        assert whoami(orders, token).status_code == 401

    def test_an_opaque_token_is_refused(self, provider, orders):
        token = provider.token("inventory:read", resource=OPAQUE_INVENTORY)
        assert whoami(orders, token).status_code == 401

    def test_a_token_that_was_changed_is_refused(self, provider, orders):
        header, payload, signature = provider.token("orders:read", resource=ORDERS).split(".")
        assert whoami(orders, f"{header}.{payload}.{signature[::-1]}").status_code == 401

    def test_the_doctor_finds_nothing_wrong(self, project, jwt_variables, orders):
        run = manage(project, "orders", "resource_server_doctor", **jwt_variables)
        assert run.returncode == 0, run.stdout + run.stderr


class TestOpaqueTokens:
    def test_an_opaque_token_is_accepted(self, provider, inventory):
        token = provider.token("inventory:read", resource=OPAQUE_INVENTORY)
        members = [whoami(inventory, token).json()[name] for name in ("sub", "scope", "iss")]
        assert members == ["importer", "inventory:read", provider.url]

    def test_a_token_for_another_resource_server_is_refused(self, provider, inventory):
        token = provider.token("orders:read", resource="urn:orders:opaque")
        assert whoami(inventory, token).status_code == 401

    def test_a_revoked_token_is_refused_when_the_cache_expires(self, provider, inventory):
        token = provider.token("inventory:read", resource=OPAQUE_INVENTORY)
        before = whoami(inventory, token).status_code
        provider.revoke(token)
        refused = eventually(lambda: whoami(inventory, token).status_code == 401)
        assert (before, refused) == (200, True)

    def test_wrong_introspection_credentials_are_503_and_not_ready(
        self, project, folder, provider, opaque_variables
    ):
        variables = opaque_variables | {
            "RFC7662_CLIENT_SECRET": "wrong-0123456789-0123456789-01234"
        }
        token = provider.token("inventory:read", resource=OPAQUE_INVENTORY)
        with resource_server(project, "inventory", folder, **variables) as url:
            ready = requests.get(f"{url}/health/ready", timeout=10)
            assert (whoami(url, token).status_code, ready.status_code) == (503, 503)


def test_a_resource_server_accepts_both_formats_of_one_issuer(
    project, folder, provider, jwt_variables, opaque_variables
):
    variables = jwt_variables | opaque_variables | {"ISSUERS": "rfc7662,rfc9068"}
    variables |= {"RFC9068_AUDIENCE": INVENTORY}
    jwt = provider.token("inventory:read", resource=INVENTORY)
    opaque = provider.token("inventory:read", resource=OPAQUE_INVENTORY)
    with resource_server(project, "inventory", folder, **variables) as url:
        assert [whoami(url, token).status_code for token in (jwt, opaque)] == [200, 200]


class Load:
    """Threads that send new tokens one after the other until the block ends."""

    def __init__(self, url, new_token, threads=4):
        self.statuses = []
        self._stop = threading.Event()
        self._url, self._new_token = url, new_token
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        while not self._stop.is_set():
            self.statuses.append(whoami(self._url, self._new_token()).status_code)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, number):
        """Return after `number` more responses."""
        end = len(self.statuses) + number
        deadline = time.monotonic() + 60
        while len(self.statuses) < end:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def key_set_fetches(url):
    """Return the number of fetches of the provider's key set by a resource server."""
    text = requests.get(f"{url}/metrics", timeout=10).text
    return float(re.search(r"key_set_fetches_total\{\S+ (\S+)", text)[1])


def test_a_key_rotation_under_load_refuses_no_request_and_causes_one_fetch(provider, orders):
    with Load(orders, lambda: provider.token("orders:read", resource=ORDERS)) as load:
        load.wait_for_more(100)
        before = key_set_fetches(orders)
        provider.rotate_keys()
        load.wait_for_more(200)
    assert (set(load.statuses), key_set_fetches(orders) - before) == ({200}, 1)


def test_a_token_of_the_previous_key_is_accepted_while_the_key_is_published(provider, orders):
    token = provider.token("orders:read", resource=ORDERS)
    provider.rotate_keys()
    assert whoami(orders, token).status_code == 200


class TestOutage:
    def test_with_cached_keys_new_tokens_are_accepted(self, project, folder):
        with oidc_provider(folder) as provider:
            variables = rfc9068(provider, audience=ORDERS)
            first, second = (provider.token("orders:read", resource=ORDERS) for _ in range(2))
            with resource_server(project, "orders", folder, **variables) as url:
                before = whoami(url, first).status_code
                provider.process.terminate()
                provider.process.wait(timeout=STOP_SECONDS)
                assert (before, whoami(url, second).status_code) == (200, 200)

    def test_without_keys_the_response_is_503(self, project, folder):
        with oidc_provider(folder) as provider:
            token = provider.token("orders:read", resource=ORDERS)
        variables = rfc9068(provider, audience=ORDERS)
        with resource_server(project, "orders", folder, **variables) as url:
            answer = whoami(url, token)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
