"""A vendor on this machine: its keys and its endpoints, under the paths that it documents."""

import json
from urllib.parse import urlsplit

import pytest
from oauth_resource_server.conf import reset_process_state
from rest_framework.test import APIClient

from ..web_server import WebServer
from .keys import RSAKey


@pytest.fixture(scope="session")
def key():
    """The key that the vendor signs with."""
    return RSAKey()


@pytest.fixture(scope="session")
def strange_key():
    """A key that the vendor does not know, with the same key id."""
    return RSAKey()


@pytest.fixture(scope="session")
def machine():
    """The machine on which everything of the vendors is served."""
    server = WebServer()
    yield server
    server.stop()


@pytest.fixture
def web_server(machine):
    """That machine, with nothing on it yet."""
    machine.answers.clear()
    yield machine
    reset_process_state()  # Closes the connections.


@pytest.fixture
def trust(configure, web_server):
    """Return a function that trusts issuers, each served here under its documented path."""

    def trust(*vendors, **options):
        configure(ISSUERS=[{**vendor.options, **here(vendor), **options} for vendor in vendors])

    def here(vendor):
        is_asked = "active" in vendor.claims
        url = web_server.origin + path_of(vendor)
        return {"introspection_url" if is_asked else "jwks_url": url}

    return trust


@pytest.fixture
def requests():
    """The path and the Authorization of each request that came, in their order."""
    return []


@pytest.fixture
def serve(web_server, requests):
    """Return a function that serves a document under the documented path of a vendor."""

    def serve(vendor, document, status=200, **headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()

        def answer(handler):
            requests.append((handler.path, handler.headers["Authorization"]))
            return status, headers, body

        web_server.answers[path_of(vendor)] = answer

    return serve


@pytest.fixture
def publish(serve):
    """Return a function that publishes the key set of a vendor."""

    def publish(vendor, *keys):
        jwks = {"keys": [key if isinstance(key, dict) else key.jwk for key in keys]}
        if "/x509/" in vendor.address:
            jwks = {key.kid: key.certificate for key in keys}
        serve(vendor, jwks)

    return publish


@pytest.fixture
def answer(serve):
    """Return a function that has the introspection endpoint of a vendor answer `claims`."""
    return serve


def path_of(vendor):
    """Return the path of a documented address."""
    return urlsplit(vendor.address).path


@pytest.fixture
def ask():
    """Return a function that sends a token to a view and returns the response."""

    def ask(token, view="/default/"):
        return APIClient(headers={"Authorization": f"Bearer {token}"}).get(view)

    return ask


@pytest.fixture
def status_of(ask, db):
    """Return a function: from a token to the status of its answer."""
    return lambda token: ask(token).status_code
