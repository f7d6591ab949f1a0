"""Both roles while their PostgreSQL server is stopped, refuses connections or is read-only."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import databases
import psycopg
import pytest
import requests
from _project import env_prefix
from browser import Browser
from conftest import ROOT, until
from databases import PASSWORD, asked_meanwhile, is_503_in_json, prepare, token_request
from infrastructure import Server, get_once, machine_token

BROWSER = {"Accept": "text/html,*/*;q=0.8"}

pytestmark = pytest.mark.skipif(not databases.IS_INSTALLED, reason="PostgreSQL is not installed")


@pytest.fixture(scope="module")
def installed():
    """Run a server for the tests of this file."""
    with databases.running() as server:
        yield server


@pytest.fixture
def postgresql(installed):
    """Return the server, which runs again and is unrestricted when the test ends."""
    yield installed
    installed.start()
    installed.execute(
        "ALTER ROLE role CONNECTION LIMIT -1",
        "ALTER SYSTEM RESET default_transaction_read_only",
        "SELECT pg_reload_conf()",
    )


@pytest.fixture(scope="module")
def authorization_server(stack, installed, tmp_path_factory):
    """Return a second authorization server, whose database is on PostgreSQL."""
    installed.execute("CREATE DATABASE authorization_server OWNER role")
    variables = {"AUTHORIZATION_SERVER_DATABASE_URL": installed.url("authorization_server")}
    steps = "migrate --no-input", "ensure_clients", "ensure_demo_user"
    prepare(stack, "authorization_server", variables, *steps)
    log = tmp_path_factory.mktemp("authorization-server") / "log"
    with Server(stack, "authorization_server", log, **variables) as server:
        yield server


@pytest.fixture(scope="module")
def api(stack, installed, tmp_path_factory):
    """Return a resource server whose database is on PostgreSQL, and the address of its items."""
    manifest = sorted(ROOT.glob("resource_servers/*/resource_server.toml"))[0]
    installed.execute("CREATE DATABASE api OWNER role")
    name = f"{env_prefix(manifest.parent.name)}_DATABASE_URL"
    variables = {name: installed.url("api")}
    folder = f"resource_servers/{manifest.parent.name}"
    prepare(stack, folder, variables, "migrate --no-input")
    log = tmp_path_factory.mktemp("api") / "log"
    with Server(stack, folder, log, **variables) as server:
        yield server, f"{server.url}/api/items/"


@pytest.fixture
def token(stack, first):
    return machine_token(stack, f"{first['name']}:read")


def test_an_api_answers_503_during_an_outage_and_200_right_after_it(postgresql, api, token):
    _, items = api
    assert get_once(items, token).status_code == 200
    postgresql.stop()
    answers = [is_503_in_json(get_once(items, token)) for _ in range(6)]
    postgresql.start()
    assert (answers, get_once(items, token).status_code) == ([True] * 6, 200)


def test_an_api_that_starts_during_an_outage_needs_no_restart(api, postgresql, stack, token):
    server, _ = api
    environment = {name: value for name, value in server.environment.items() if "DATABASE" in name}
    postgresql.stop()
    other = Server(stack, server.folder.relative_to(ROOT), server.log, **environment)
    with other:
        items = f"{other.url}/api/items/"
        during = is_503_in_json(get_once(items, token))
        postgresql.start()
        assert (during, get_once(items, token).status_code) == (True, 200)


def test_tokens_are_answered_503_during_an_outage_and_200_right_after_it(
    postgresql, authorization_server, stack
):
    assert token_request(stack, authorization_server).status_code == 200
    postgresql.stop()
    answers = [is_503_in_json(token_request(stack, authorization_server)) for _ in range(6)]
    postgresql.start()
    after = token_request(stack, authorization_server).status_code
    assert (answers, after) == ([True] * 6, 200)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/o/revoke_token/", {"token": "unknown"}),
        ("/o/device-authorization/", {"client_id": "demo-device", "scope": "orders:read"}),
        ("/o/userinfo/", None),
    ],
    ids=["revocation", "device authorization", "userinfo"],
)
def test_every_endpoint_for_programs_answers_503_in_json(
    postgresql, authorization_server, stack, path, data
):
    client = stack.env["DEMO_MACHINE_CLIENT_ID"], stack.env["DEMO_MACHINE_CLIENT_SECRET"]
    bearer = {"Authorization": "Bearer unknown"}
    url = authorization_server.url + path
    postgresql.stop()
    if data is None:
        response = requests.get(url, headers=bearer, timeout=30)
    else:
        auth = None if "client_id" in data else client
        response = requests.post(url, data, auth=auth, timeout=30)
    assert is_503_in_json(response)


@pytest.mark.parametrize(
    "path",
    ["/", "/admin/", "/o/device/", "/o/authorize/?response_type=code&client_id=demo-browser"],
)
def test_a_signed_in_person_sees_a_page(postgresql, authorization_server, stack, path):
    browser = Browser()
    browser.session.headers.update(BROWSER)
    browser.open(f"{authorization_server.url}/accounts/login/")
    browser.log_in(stack.env["DEMO_USERNAME"], stack.env["DEMO_PASSWORD"])
    assert browser.page.status_code == 200
    postgresql.stop()
    browser.open(authorization_server.url + path)
    assert (browser.page.status_code, "Retry-After" in browser.page.headers) == (503, True)
    assert "Not available at the moment" in browser.page.text


def test_who_signs_in_sees_a_page(postgresql, authorization_server, stack):
    browser = Browser()
    browser.session.headers.update(BROWSER)
    browser.open(f"{authorization_server.url}/accounts/login/")
    postgresql.stop()
    browser.log_in(stack.env["DEMO_USERNAME"], stack.env["DEMO_PASSWORD"])
    postgresql.start()
    assert "Not available at the moment" in browser.page.text
    browser.open(f"{authorization_server.url}/accounts/login/")
    browser.log_in(stack.env["DEMO_USERNAME"], stack.env["DEMO_PASSWORD"])
    assert browser.page.status_code == 200


def test_a_limit_of_connections_is_503(postgresql, api, token):
    _, items = api
    postgresql.execute(
        "ALTER ROLE role CONNECTION LIMIT 0",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'role'",
    )
    during = is_503_in_json(get_once(items, token))
    postgresql.execute("ALTER ROLE role CONNECTION LIMIT -1")
    assert (during, get_once(items, token).status_code) == (True, 200)


def test_a_read_only_database_is_503_for_what_writes(postgresql, authorization_server, stack):
    postgresql.execute(
        "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"
    )
    assert is_503_in_json(token_request(stack, authorization_server))


def test_the_password_is_not_logged(postgresql, api, authorization_server, stack, token):
    server, items = api
    postgresql.stop()
    get_once(items, token)
    token_request(stack, authorization_server)
    for log in server.log, authorization_server.log:
        text = log.read_text()
        assert ("The database does not answer: " in text, PASSWORD in text) == (True, False)
        assert "Traceback" not in text


def test_a_command_reports_an_outage_in_one_sentence(postgresql, api):
    server, _ = api
    postgresql.stop()
    run = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input"],
        cwd=server.folder,
        env=server.environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert (run.returncode, run.stderr.count("\n"), PASSWORD in run.stderr) == (1, 1, False)


# ---- Introspection ----


@pytest.fixture
def introspect(stack, authorization_server):
    """Return a function that introspects a token at the second authorization server."""
    client = [stack.env[f"ORDERS_INTROSPECTION_CLIENT_{part}"] for part in ("ID", "SECRET")]
    url = f"{authorization_server.url}/o/introspect/"

    def introspect(token="unknown", session=requests):
        return session.post(url, {"token": token}, auth=tuple(client), timeout=30)

    return introspect


def test_introspections_are_answered_503_during_an_outage_and_200_right_after_it(
    postgresql, authorization_server, stack, introspect
):
    token = token_request(stack, authorization_server).json()["access_token"]
    assert introspect(token).json()["active"] is True
    postgresql.stop()
    answers = [is_503_in_json(introspect(token)) for _ in range(6)]
    postgresql.start()
    until(lambda: introspect(token).status_code == 200)
    assert (answers, introspect(token).json()["active"]) == ([True] * 6, True)


def test_introspections_during_restarts_are_right_or_503(
    postgresql, authorization_server, stack, introspect
):
    token = token_request(stack, authorization_server).json()["access_token"]
    with asked_meanwhile(partial(introspect, token)) as answers:
        for _ in range(3):
            postgresql.stop()
            postgresql.start()
            until(lambda: introspect(token).status_code == 200)
            postgresql.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'role'"
            )
    assert all(answers)
    until(lambda: introspect(token).status_code == 200)
    assert introspect(token).json()["active"] is True


# ---- All threads of Django are busy ----


@contextmanager
def busy(postgresql, database, lock, request):
    """Have two requests for each of the four threads of a service, which wait for a lock."""
    address = f"host=127.0.0.1 port={postgresql.port} user=administrator dbname={database}"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with (
        psycopg.connect(address) as holder,
        psycopg.connect(address, autocommit=True) as observer,
        ThreadPoolExecutor(8) as senders,
    ):
        holder.execute(lock)
        sent = [senders.submit(request) for _ in range(8)]
        try:
            until(lambda: observer.execute(waiting).fetchone()[0] == 4)
            yield sent
        finally:
            holder.rollback()
    assert {each.result().status_code for each in sent} == {200}


def statuses(server, *paths):
    """Return the statuses of pages for programs."""
    return [requests.get(server.url + path, timeout=30).status_code for path in paths]


def test_introspection_health_and_metadata_need_no_free_thread(
    postgresql, authorization_server, stack, introspect
):
    token = token_request(stack, authorization_server).json()["access_token"]
    until(lambda: statuses(authorization_server, "/health/ready") == [200])
    lock = "LOCK TABLE oauth2_provider_accesstoken IN EXCLUSIVE MODE"  # reading is allowed
    with busy(
        postgresql,
        "authorization_server",
        lock,
        lambda: token_request(stack, authorization_server),
    ) as sent:
        assert introspect(token).json()["active"] is True
        documents = (
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
            "/o/.well-known/jwks.json",
        )
        health = "/health/live", "/health/ready"
        assert statuses(authorization_server, *documents, *health) == [200] * 5
        assert not any(each.done() for each in sent)


def test_health_and_metadata_of_an_api_need_no_free_thread(postgresql, api, token):
    server, items = api
    until(lambda: statuses(server, "/health/ready") == [200])
    lock = "LOCK TABLE api_item IN ACCESS EXCLUSIVE MODE"
    with busy(postgresql, "api", lock, lambda: get_once(items, token)) as sent:
        paths = "/.well-known/oauth-protected-resource", "/health/live", "/health/ready"
        assert statuses(server, *paths) == [200] * 3
        assert not any(each.done() for each in sent)


def test_readiness_is_that_of_the_database(postgresql, authorization_server):
    def ready():
        return requests.get(f"{authorization_server.url}/health/ready", timeout=30)

    until(lambda: ready().status_code == 200)
    assert ready().json()["introspection"] == "ok"
    postgresql.stop()
    until(lambda: ready().status_code == 503)
    states = ready().json()
    assert (states["database"], states["introspection"]) == ("does not answer",) * 2
    assert requests.get(f"{authorization_server.url}/health/live", timeout=30).status_code == 200
    postgresql.start()
    until(lambda: ready().status_code == 200)


# ---- Revocation events ----


@pytest.fixture
def poll(stack, authorization_server):
    """Return a function that polls once as orders, without a wait, and returns the JSON."""
    client = tuple(stack.env[f"ORDERS_INTROSPECTION_CLIENT_{part}"] for part in ("ID", "SECRET"))
    url = f"{authorization_server.url}/o/events/"

    def poll(position=""):
        members = {"position": position, "returnImmediately": True}
        response = requests.post(url, json=members, auth=client, timeout=30)
        return response.json() if response.status_code == 200 else {"tokens": [], "reset": None}

    until(lambda: poll()["reset"])
    return poll


EVENT = """
INSERT INTO revocation_events_event
    (kind, value, resource_servers, transaction, expires, created)
VALUES ('token', %s, '["orders"]', pg_current_xact_id()::text::bigint, now() + '1 h', now())
"""


def test_an_event_that_is_committed_late_is_delivered(postgresql, poll):
    """A later number may be visible first, and a receiver must not go on after it."""
    late, early = "a" * 64, "b" * 64
    position = poll()["position"]
    with (
        psycopg.connect(postgresql.url("authorization_server")) as first,
        psycopg.connect(postgresql.url("authorization_server")) as second,
    ):
        first.execute(EVENT, [late])
        second.execute(EVENT, [early])
        second.commit()
        until(lambda: poll(position)["tokens"] == [early])
        position = poll(position)["position"]
        first.commit()
    until(lambda: poll(position)["tokens"] == [late])


def test_events_during_an_outage_are_delivered_after_it(postgresql, poll):
    position = poll()["position"]
    postgresql.stop()
    postgresql.start()
    with psycopg.connect(postgresql.url("authorization_server")) as connection:
        connection.execute(EVENT, ["c" * 64])
    until(lambda: poll(position)["tokens"] == ["c" * 64])


def test_events_are_delivered_after_a_restart(postgresql, authorization_server, poll):
    position = poll()["position"]
    authorization_server.stop(signal.SIGKILL)
    with psycopg.connect(postgresql.url("authorization_server")) as connection:
        connection.execute(EVENT, ["d" * 64])
    authorization_server.launch()
    authorization_server.wait()
    until(lambda: "d" * 64 in poll(position)["tokens"])
