"""The OAuth client of the Model Context Protocol SDK reaches the API, from its 401 on."""

import json
import subprocess
from urllib.parse import urlsplit

import pytest
from browser import Browser

REDIRECT_URI = "http://127.0.0.1:8765/callback"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def flow(env, node_modules):
    """Return the requests of the client, the answer of the API, and the resource that it named."""
    argument = {
        "api": f"{env['ORDERS_URL']}/api/whoami/",
        "client_id": env["DEMO_BROWSER_CLIENT_ID"],
        "redirect_uri": REDIRECT_URI,
    }
    with subprocess.Popen(
        ["node", "mcp.mjs", json.dumps(argument)],
        cwd=node_modules,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as client:
        browser = Browser()
        browser.open(client.stdout.readline().strip())
        browser.log_in(env["DEMO_USERNAME"], env["DEMO_PASSWORD"])
        output, _ = client.communicate(browser.submit(allow="true") + "\n", timeout=60)
    assert client.returncode == 0
    return json.loads(output)


def test_a_client_of_rfc_9728_goes_from_401_to_200(flow):
    path = "/api/whoami/"
    assert [status for each, status in flow["steps"] if each == path] == [401, 200]


def test_it_learns_everything_from_the_challenge(flow):
    between = [path for path, _ in flow["steps"]][1:-1]
    assert {
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/o/token/",
    } == {*between}


def test_it_names_the_address_of_the_api_as_the_resource(flow, env):
    assert urlsplit(flow["resource"])[:2] == urlsplit(env["ORDERS_URL"])[:2]


def test_the_token_carries_the_scopes_in_the_metadata(flow):
    assert set(flow["answer"]["scope"].split()) == {"orders:read", "orders:write"}
