"""schemathesis sends requests that the OpenAPI document allows and forbids, with a real token."""

import os
import subprocess
from pathlib import Path

import pytest
import requests
from stack import ROOT

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def token(env):
    """Return an access token of the demo machine for all scopes of `orders`."""
    credentials = env["DEMO_MACHINE_CLIENT_ID"], env["DEMO_MACHINE_CLIENT_SECRET"]
    form = {"grant_type": "client_credentials", "scope": "orders:read orders:write"}
    url = f"{env['AUTHORIZATION_SERVER_URL']}/o/token/"
    return requests.post(url, form, auth=credentials, timeout=60).json()["access_token"]


def test_schemathesis_finds_nothing(env, token, tmp_path):
    # The seed makes it send the same requests each time; other seeds are for people to try.
    command = [
        *("uv", "run", "--project", HERE / "schemathesis", "--locked", "--quiet"),
        *("schemathesis", "run", f"{env['ORDERS_URL']}/api/schema/?format=json"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--max-examples", "50", "--seed", "1", "--suppress-health-check", "all"),
        *("--request-timeout", "60", "--warnings", "off"),
    ]
    environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(ROOT / "build" / "schemathesis")}
    process = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8"
    )
    assert process.returncode == 0, process.stdout[-8000:] + process.stderr
    assert "8/8" in process.stdout
