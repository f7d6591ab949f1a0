"""schemathesis sends requests that the OpenAPI document allows and forbids, with a real token."""

import os
import subprocess
from pathlib import Path

import pytest
import requests
from stack import ROOT

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow


CONFORMANCE = "status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def token(env):
    """Return a function that returns an access token of the demo machine."""

    def token(scope):
        credentials = env["DEMO_MACHINE_CLIENT_ID"], env["DEMO_MACHINE_CLIENT_SECRET"]
        form = {"grant_type": "client_credentials", "scope": scope}
        url = f"{env['AUTHORIZATION_SERVER_URL']}/o/token/"
        return requests.post(url, form, auth=credentials, timeout=60).json()["access_token"]

    return token


@pytest.fixture
def schemathesis(env, tmp_path):
    """Return a function that runs schemathesis with a token; it returns the output."""

    def schemathesis(token, *options):
        # The seed makes it send the same requests each time; other seeds are for people to try.
        command = [
            *("uv", "run", "--project", HERE / "schemathesis", "--locked", "--quiet"),
            *("schemathesis", "run", f"{env['ORDERS_URL']}/api/schema/?format=json"),
            *("--header", f"Authorization: Bearer {token}", "--seed", "1"),
            *("--suppress-health-check", "all", "--request-timeout", "60", "--warnings", "off"),
            *options,
        ]
        environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(ROOT / "build" / "schemathesis")}
        process = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8"
        )
        assert process.returncode == 0, process.stdout[-8000:] + process.stderr
        return process.stdout

    return schemathesis


def test_schemathesis_finds_nothing(schemathesis, token):
    assert "8/8" in schemathesis(token("orders:read orders:write"), "--max-examples", "50")


@pytest.mark.parametrize("scope", ["orders:read", "inventory:read", None])
def test_schemathesis_knows_each_refusal(schemathesis, token, scope):
    # Without the scope 403, for another resource server and unknown 401, and then 503.
    used = token(scope) if scope else "unknown"
    assert "8/8" in schemathesis(used, "--max-examples", "5", "--checks", CONFORMANCE)
