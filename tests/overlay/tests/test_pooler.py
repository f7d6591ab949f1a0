"""Both roles behind PgBouncer in transaction mode: each transaction gets any connection."""

import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import databases
import poolers
import pytest
import requests
from _project import env_prefix
from conftest import ROOT, until
from databases import asked_meanwhile, is_503_in_json, prepare, token_request
from deaths import Django
from infrastructure import Server, client_of, get_once

pytestmark = [
    pytest.mark.skipif(not databases.IS_INSTALLED, reason="PostgreSQL is not installed"),
    pytest.mark.skipif(not poolers.IS_INSTALLED, reason="PgBouncer is not installed"),
]
CALLERS, REQUESTS = 16, 25
THREADS = 4  # WEB_THREADS


@pytest.fixture(scope="module")
def postgresql():
    with databases.running() as server:
        yield server


@pytest.fixture(scope="module")
def pooler(postgresql):
    pooler = poolers.PgBouncer(postgresql.folder, postgresql)
    pooler.start()
    yield pooler
    pooler.stop()


@pytest.fixture(scope="module")
def authorization_server(stack, postgresql, pooler, tmp_path_factory):
    """Return an authorization server behind the pooler."""
    postgresql.execute("CREATE DATABASE authorization_server OWNER role")
    variables = {"AUTHORIZATION_SERVER_DATABASE_URL": pooler.url("authorization_server")}
    steps = "migrate --no-input", "ensure_clients", "ensure_demo_user"
    prepare(stack, "authorization_server", variables, *steps)
    log = tmp_path_factory.mktemp("authorization-server") / "log"
    with Server(stack, "authorization_server", log, WEB_CONCURRENCY="2", **variables) as server:
        yield server


@pytest.fixture(scope="module")
def api(stack, authorization_server, postgresql, pooler, tmp_path_factory):
    """Return a resource server behind the pooler, which asks that authorization server."""
    name = sorted(ROOT.glob("resource_servers/*/resource_server.toml"))[0].parent.name
    postgresql.execute("CREATE DATABASE api OWNER role")
    variables = {
        f"{env_prefix(name)}_DATABASE_URL": pooler.url("api"),
        "AUTHORIZATION_SERVER_INTERNAL_URL": authorization_server.url,
        "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": "3600",
    }
    prepare(stack, f"resource_servers/{name}", variables, "migrate --no-input")
    log = tmp_path_factory.mktemp("api") / "log"
    with Server(stack, f"resource_servers/{name}", log, **variables) as server:
        until(lambda: is_live(server))
        yield server


def is_live(server):
    """Return whether a resource server learns of revocations."""
    states = requests.get(f"{server.url}/health/ready", timeout=10).json()
    return states.get("revocations") == "ok"


@pytest.fixture
def new_token(stack, authorization_server, first):
    scope = f"{first['name']}:read {first['name']}:write"
    return lambda: token_request(stack, authorization_server, scope).json()["access_token"]


@pytest.fixture
def introspect(stack, authorization_server, first):
    """Return a function that introspects a token."""
    name = f"{env_prefix(first['name'])}_INTROSPECTION_CLIENT"
    client = stack.env[f"{name}_ID"], stack.env[f"{name}_SECRET"]
    url = f"{authorization_server.url}/o/introspect/"
    return lambda token: requests.post(url, {"token": token}, auth=client, timeout=30)


def under_load(work):
    """Call `work` in many threads; return the count of each result."""
    with ThreadPoolExecutor(CALLERS) as callers:
        return Counter(callers.map(work, range(CALLERS * REQUESTS)))


def test_introspections_are_right_under_load(new_token, introspect):
    tokens = {new_token(): True for _ in range(20)} | {f"unknown-{n}": False for n in range(20)}
    questions = list(tokens.items())

    def is_right(number):
        token, is_good = questions[number % len(questions)]
        response = introspect(token)
        return response.status_code == 200 and response.json()["active"] is is_good

    assert under_load(is_right) == {True: CALLERS * REQUESTS}


def test_items_are_right_under_load(api, stack, new_token):
    """Each thread reads what it has written, with a token of its own."""
    token, url = new_token(), f"{api.url}/api/items/"

    def write_and_read(number):
        headers = {"Authorization": f"Bearer {token}"}
        made = requests.post(url, json={"name": f"Item {number}"}, headers=headers, timeout=30)
        found = requests.get(f"{url}{made.json()['id']}/", headers=headers, timeout=30)
        return made.status_code, found.json()["name"] == f"Item {number}"

    assert under_load(write_and_read) == {(201, True): CALLERS * REQUESTS}


def test_new_tokens_are_right_under_load(api, new_token, get):
    def issue_and_use(_):
        return get(f"{api.url}/api/items/", new_token()).status_code

    assert under_load(issue_and_use) == {200: CALLERS * REQUESTS}


def test_clients_outnumber_the_connections_to_postgresql(api, pooler, new_token):
    get_once(f"{api.url}/api/items/", new_token())
    database = "authorization_server"
    clients, servers = (
        [row for row in pooler.figures(f"SHOW {kind}") if database in row]
        for kind in ("CLIENTS", "SERVERS")
    )
    assert len(clients) > poolers.POOL_SIZE >= len(servers) > 0


def test_a_process_has_no_more_connections_than_documented(api, authorization_server, pooler):
    documented = [int(number) for number in re.findall(r"`WEB_THREADS` \+ (\d)", poolers.PAGE)]
    assert len(documented) == 2
    clients = Counter(row[2] for row in pooler.figures("SHOW CLIENTS"))
    assert 2 * THREADS < clients["authorization_server"] <= 2 * (THREADS + documented[0])
    assert THREADS < clients["api"] <= THREADS + documented[1]


@pytest.mark.parametrize("restarted", ["pooler", "postgresql"])
def test_introspections_during_restarts_are_right_or_503(
    pooler, postgresql, new_token, introspect, restarted
):
    server = {"pooler": pooler, "postgresql": postgresql}[restarted]
    token = new_token()
    with asked_meanwhile(lambda session: introspect(token)) as answers:
        for _ in range(3):
            server.stop()
            server.start()
            until(lambda: introspect(token).status_code == 200)
    assert answers.count(False) == 0 < len(answers)


@pytest.mark.parametrize("gone", ["pooler", "postgresql"])
def test_an_outage_is_503_and_ends_by_itself(
    pooler, postgresql, stack, authorization_server, api, new_token, gone
):
    server, url, token = {"pooler": pooler, "postgresql": postgresql}[gone], api.url, new_token()
    assert get_once(f"{url}/api/items/", token).status_code == 200
    server.stop()
    during = [get_once(f"{url}/api/items/", token), token_request(stack, authorization_server)]
    server.start()
    assert [is_503_in_json(response) for response in during] == [True, True]
    until(lambda: token_request(stack, authorization_server).status_code == 200)
    until(lambda: get_once(f"{url}/api/items/", token).status_code == 200)


def test_a_revoked_token_is_refused(stack, authorization_server, api, new_token):
    """Without the reader of events, the resource server would remember it for 3600 seconds."""
    until(lambda: is_live(api))
    token = new_token()
    assert get_once(f"{api.url}/api/items/", token).status_code == 200
    client_of(stack, "DEMO_MACHINE").revoke_token(
        f"{authorization_server.url}/o/revoke_token/", token
    )
    until(lambda: get_once(f"{api.url}/api/items/", token).status_code == 401)


# ---- What Django keeps in a connection ----


@pytest.fixture
def django(authorization_server):
    """Return Django in the environment of the authorization server."""
    folder, variables = authorization_server.folder, authorization_server.environment
    with Django(sys.executable, cwd=folder, env=variables) as django:
        yield django


def test_rows_are_read_by_chunks_over_any_connection(django):
    """As choices in the forms of the administration: a cursor would belong to one connection."""
    django.run("""
from django.contrib.contenttypes.models import ContentType
from django.db import connection
rows = ContentType.objects.iterator(chunk_size=1)
first, other = next(rows), connection.copy()
other.set_autocommit(False)  # It keeps the connection that has just been used.
other.cursor().execute("SELECT 1")
assert len([first, *rows]) == ContentType.objects.count()
other.close()
""")


def test_one_process_deletes_what_has_expired(authorization_server, django):
    """The lock belongs to a transaction, which keeps its connection."""

    def clear_tokens():
        return subprocess.run(
            [sys.executable, "manage.py", "clear_tokens"],
            cwd=authorization_server.folder,
            env=authorization_server.environment,
            capture_output=True,
            check=True,
            encoding="utf-8",
        ).stderr

    django.run("""
from revocation_events.management.commands.clear_tokens import alone
lock = alone()
assert lock.__enter__()
""")
    assert "another process deletes" in clear_tokens()
    django.run("lock.__exit__(None, None, None)")
    assert "deleted what has expired" in clear_tokens()
