"""Every process of every resource server refuses a revoked token, and asks about a good one once.

The stack reports revocations; its tokens would live 600 seconds in the caches.
"""

import os
import shutil
import signal
import sys
from contextlib import ExitStack

import pytest
import requests
from _project import env_prefix
from conftest import MANIFESTS, ROOT, until
from deaths import DEATHS, Django, Victim
from infrastructure import Server, client_of, get_once, machine_token

LIVE = {"RESOURCE_SERVER_TOKEN_CACHING_SECONDS": "3600"}


@pytest.fixture
def both(resource_server):
    """Start two more processes of a resource server. Without reports they would remember tokens
    for an hour."""
    with resource_server(**LIVE) as one, resource_server(**LIVE) as other:
        for server in (one, other):
            until(lambda server=server: is_live(server))
        yield one, other


@pytest.fixture(scope="module")
def processes(stack, tmp_path_factory):
    """Start two more processes of two resource servers, as `both`."""
    folders = [f"resource_servers/{one['name']}" for one in MANIFESTS[:2]] * 2
    with ExitStack() as running:
        servers = [
            Server(stack, folder, tmp_path_factory.mktemp("server") / "log", **LIVE)
            for folder in folders
        ]
        for server in servers:
            running.enter_context(server)
        for server in servers:
            until(lambda server=server: is_live(server))
        yield servers


@pytest.fixture(scope="module")
def django(stack):
    """Return Django in the environment of the authorization server."""
    folder, variables = ROOT / "authorization_server", stack.environment | stack.env
    with Django(sys.executable, cwd=folder, env=variables) as django:
        yield django


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_token_ends_in_every_process(stack, processes, django, death):
    victim = Victim(stack.url, django, " ".join(f"{one['name']}:read" for one in MANIFESTS[:2]))
    for server in processes:
        until(lambda server=server: whoami(server, victim.token) == 200)
    death.happens(victim)
    try:
        for server in processes:
            until(lambda server=server: whoami(server, victim.token) == 401)
    finally:
        victim.run(death.undo)


@pytest.mark.parametrize("change", [("read", "look"), ("audience", "https://other.example.com")])
def test_a_token_ends_with_a_scope_or_an_audience_of_the_manifest(
    stack, first, resource_server, tmp_path, change
):
    """The authorization server is started again, as after each change of a manifest."""
    folder = tmp_path / "resource_servers"
    shutil.copytree(ROOT / "resource_servers", folder)
    manifest = folder / first["name"] / "resource_server.toml"
    issuer = Server(
        stack, "authorization_server", tmp_path / "issuer", RESOURCE_SERVERS_DIR=str(folder)
    )
    name, value = first["name"], change[1]
    token = machine_token(stack, f"{name}:read", resource=stack.api(name, ""))
    with issuer, resource_server(AUTHORIZATION_SERVER_INTERNAL_URL=issuer.url, **LIVE) as server:
        until(lambda: is_live(server))
        until(lambda: whoami(server, token) == 200)
        issuer.stop()
        text = manifest.read_text(encoding="utf-8")
        if change[0] == "audience":
            text = f'audience = "{value}"\n{text}'
        else:
            text = text.replace(f"{name}:read", f"{name}:{value}")
        manifest.write_text(text, encoding="utf-8")
        issuer.launch()
        issuer.wait()
        until(lambda: whoami(server, token) == 401)


def is_live(server):
    states = requests.get(f"{server.url}/health/ready", timeout=10).json()
    return states.get("revocations") == "ok"


def whoami(server, token):
    return get_once(f"{server.url}/api/whoami/", token).status_code


def poll(stack, name, **members):
    """Return the response to a poll of a resource server."""
    prefix = env_prefix(name)
    credentials = tuple(
        stack.env[f"{prefix}_INTROSPECTION_CLIENT_{part}"] for part in ("ID", "SECRET")
    )
    return requests.post(f"{stack.url}/o/events/", json=members, auth=credentials, timeout=30)


def test_a_revoked_token_is_refused_by_every_process(stack, first, both):
    token = machine_token(stack, f"{first['name']}:read")
    for server in both:
        until(lambda server=server: whoami(server, token) == 200)
    client_of(stack, "DEMO_MACHINE").revoke_token(f"{stack.url}/o/revoke_token/", token)
    for server in both:
        until(lambda server=server: whoami(server, token) == 401)


def test_a_resource_server_goes_on_after_a_pause(stack, first, both):
    """A process that was stopped while a token died learns of it when it goes on."""
    server, _ = both
    token = machine_token(stack, f"{first['name']}:read")
    until(lambda: whoami(server, token) == 200)
    os.killpg(server.process.pid, signal.SIGSTOP)
    client_of(stack, "DEMO_MACHINE").revoke_token(f"{stack.url}/o/revoke_token/", token)
    os.killpg(server.process.pid, signal.SIGCONT)
    until(lambda: whoami(server, token) == 401)


def test_a_poll_without_a_position_begins_now(stack, first):
    answer = poll(stack, first["name"])
    assert (answer.status_code, answer.json()["reset"]) == (200, True)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_resource_server_learns_of_its_tokens_only(stack, first, second):
    positions = [poll(stack, one["name"]).json()["position"] for one in (first, second)]
    token = machine_token(stack, f"{first['name']}:read")
    client_of(stack, "DEMO_MACHINE").revoke_token(f"{stack.url}/o/revoke_token/", token)

    def learned(name, position):
        members = {"position": position, "returnImmediately": True}
        return poll(stack, name, **members).json()["tokens"]

    until(lambda: len(learned(first["name"], positions[0])) == 1)
    assert learned(second["name"], positions[1]) == []


@pytest.mark.parametrize("credentials", [None, ("orders-introspection", "wrong" * 10)])
def test_a_stranger_is_refused(stack, credentials):
    answer = requests.post(f"{stack.url}/o/events/", json={}, auth=credentials, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"position": 1}', "application/json", 400),
        (b"[" * 900, "application/json", 400),
        (b"{}" + b" " * 5000, "application/json", 413),
        (b"a=b", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_malformed_poll_is_refused(stack, first, body, content_type, status):
    prefix = env_prefix(first["name"])
    credentials = tuple(
        stack.env[f"{prefix}_INTROSPECTION_CLIENT_{part}"] for part in ("ID", "SECRET")
    )
    headers = {"Content-Type": content_type}
    url = f"{stack.url}/o/events/"
    answer = requests.post(url, body, headers=headers, auth=credentials, timeout=10)
    assert answer.status_code == status


def test_the_method_has_to_be_post(stack):
    assert requests.get(f"{stack.url}/o/events/", timeout=10).status_code == 405
