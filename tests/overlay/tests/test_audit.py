"""Events over real HTTP: in the log and in the table, with the identifier of the request."""

import json
import secrets
import subprocess
import sys

import pytest
import requests
from conftest import MANIFESTS, ROOT, until
from infrastructure import Server

SCOPE = f"{MANIFESTS[0]['name']}:read"


@pytest.fixture
def variables(stack):
    return {"AUDIT_DAYS": "30", "AUTHORIZATION_SERVER_AUDIT_KEY": secrets.token_urlsafe(32)}


@pytest.fixture
def manage(stack, variables):
    """Return a function that runs a management command and returns its output."""

    def manage(*arguments):
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT / "authorization_server",
            env=stack.environment | stack.env | variables,
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout

    return manage


def test_events_over_http(stack, variables, manage, tmp_path):
    client_id, secret = (stack.env[f"DEMO_MACHINE_CLIENT_{name}"] for name in ("ID", "SECRET"))
    form = {"grant_type": "client_credentials", "scope": SCOPE}

    def post(path, password=secret, **data):
        response = requests.post(server.url + path, data, auth=(client_id, password), timeout=30)
        return response, response.headers["X-Request-ID"]

    with Server(stack, "authorization_server", tmp_path / "log", **variables) as server:
        granted, first = post("/o/token/", **form)
        token = granted.json()["access_token"]
        identifiers = {
            first: "token-issued",
            post("/o/token/", "a-wrong-secret", **form)[1]: "client-refused",
            post("/o/token/", **form | {"scope": "unknown:read"})[1]: "request-refused",
            post("/o/introspect/", token=token)[1]: "introspection-refused",
            post("/o/revoke_token/", token=token)[1]: "token-revoked",
        }

        def exported():
            rows = map(json.loads, manage("export_audit").splitlines())
            return {row["request_id"]: row for row in rows if row["request_id"] in identifiers}

        until(lambda: len(exported()) == len(identifiers))
    rows = exported()
    assert {identifier: row["event"] for identifier, row in rows.items()} == identifiers
    assert {row["client_id"] for row in rows.values()} == {client_id}
    log = (tmp_path / "log").read_text()
    assert all(log.count(f"request_id={identifier}") == 1 for identifier in identifiers)
    written = log + json.dumps(rows)
    assert [one for one in (token, secret, "a-wrong-secret") if one in written] == []
    assert "AUDIT" not in manage("clear_tokens")
    assert manage("verify_audit").endswith("\n")
    assert " links are intact, 0 events wait." in manage("verify_audit")
