"""docs/symptoms.md: each symptom is made on purpose, and its queries and log lines are right.

A real Prometheus reads the services that have it. There is no Valkey; an address where nothing
listens stands for one that is away.
"""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import databases
import psycopg
import pytest
import requests
from _project import env_prefix
from conftest import MANIFESTS, ROOT, answers, free_port, until
from databases import prepare
from infrastructure import Server, get_once, machine_token
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT

pytestmark = [
    pytest.mark.skipif(not shutil.which("prometheus"), reason="Prometheus is not installed"),
    pytest.mark.skipif(not databases.IS_INSTALLED, reason="PostgreSQL is not installed"),
]

PAGE = (ROOT / "docs" / "symptoms.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][1:]
OUTCOME = re.search("`([^`]+outcomes_total[^`]+)`", PAGE)[1]
NOWHERE = "http://127.0.0.1:9"
NAME = MANIFESTS[0]["name"]
PREFIX, SCOPE = env_prefix(NAME), f"{NAME}:read"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
AHEAD = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "+3h"}


def row(symptom):
    """Return the queries of a symptom, and the patterns of its log lines and states."""
    (cells,) = (cells for cells in ROWS if cells[0].startswith(symptom))
    queries, logged = (re.findall("`([^`]+)`", cell) for cell in cells[1:3])
    expressions = [one if "_" in one else OUTCOME.replace("…", one) for one in queries]
    return expressions, [re.escape(one).replace("…", ".*") for one in logged]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """Start Prometheus with a file of targets; return the file and the address."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    targets = folder / "targets.json"
    targets.write_text("[]")
    services = {"job_name": "services"}
    services["file_sd_configs"] = [{"files": [str(targets)], "refresh_interval": "1s"}]
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [services]}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    address = f"127.0.0.1:{port}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml"]
    command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        until(lambda: answers(f"http://{address}/-/ready"))
        yield targets, f"http://{address}/api/v1/query"
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def query(prometheus):
    """Return a function that returns how many processes an expression shows."""
    _, url = prometheus

    def query(expression):
        answer = requests.get(url, {"query": expression}, timeout=30).json()
        assert answer["status"] == "success", answer
        return len(answer["data"]["result"])

    return query


@pytest.fixture
def watch(prometheus, query):
    """Return a function that has Prometheus read the metrics of some servers only."""

    def watch(*servers):
        addresses = [server.url.partition("://")[2] for server in servers]
        prometheus[0].write_text(json.dumps([{"targets": addresses}]))
        instances = "|".join(addresses)
        until(
            lambda: query(f'count_over_time(up{{instance=~"{instances}"}}[1m]) > 1') == len(servers)
        )

    return watch


@pytest.fixture
def shows(query):
    """Return a function that waits for all that the page says of a symptom, and makes it."""

    def shows(symptom, make, server):
        expressions, patterns = row(symptom)

        def said():
            states = requests.get(f"{server.url}/health/ready", timeout=30).json()
            lines = "".join(f"{name}: {state}\n" for name, state in states.items())
            return server.log.read_text() + lines

        def missing():
            make()
            found = said()
            left = [one for one in expressions if not query(one)]
            return left + [one for one in patterns if not re.search(one, found)]

        deadline = time.monotonic() + 120
        while left := missing():
            assert time.monotonic() < deadline, left
            time.sleep(0.5)

    return shows


@pytest.fixture
def token(stack):
    return lambda: machine_token(stack, SCOPE)


@pytest.fixture
def api(stack, tmp_path, watch):
    """Return a function that starts a resource server with other variables, and asks it."""
    running = []

    def api(**variables):
        server = Server(stack, f"resource_servers/{NAME}", tmp_path / "api.log", **variables)
        running.append(server.__enter__())
        watch(server)
        return server

    yield api
    for server in running:
        server.__exit__()


def ask(server, token):
    return get_once(f"{server.url}/api/items/", token)


def test_the_authorization_server_is_away(api, token, shows):
    server = api(AUTHORIZATION_SERVER_INTERNAL_URL=NOWHERE)
    shows("an API answers 503, `Retry-After: 1`", lambda: ask(server, token()), server)


def test_the_introspection_secret_differs(api, stack, watch, token, shows):
    secret = {f"{PREFIX}_INTROSPECTION_CLIENT_SECRET": "wrong-0123456789-0123456789-0123456789"}
    server = api(**secret)
    watch(server, stack)
    shows("an API answers 503, `Retry-After: 5`", lambda: ask(server, token()), server)


@pytest.fixture(scope="module")
def postgresql():
    with databases.running() as server:
        yield server


def on(postgresql, stack, folder, prefix, *steps):
    """Return the variables of a service with a new database."""
    postgresql.execute(f"CREATE DATABASE {prefix.lower()} OWNER role")
    variables = {f"{prefix}_DATABASE_URL": postgresql.url(prefix.lower())}
    prepare(stack, folder, variables, "migrate --no-input", *steps)
    return variables


@pytest.fixture(scope="module")
def variables(stack, postgresql):
    """Return the variables of a resource server whose database is on PostgreSQL."""
    return on(postgresql, stack, f"resource_servers/{NAME}", PREFIX)


@pytest.fixture
def authorization_server(stack, postgresql, tmp_path):
    """Start an authorization server whose database is on PostgreSQL."""
    postgresql.start()
    postgresql.execute("DROP DATABASE IF EXISTS authorization_server")
    folder = "authorization_server"
    own = on(postgresql, stack, folder, "AUTHORIZATION_SERVER", "ensure_clients")
    own["AUDIT_DAYS"] = "30"
    with Server(stack, folder, tmp_path / "authorization_server.log", **own) as server:
        yield server


def administrator(postgresql, database):
    """Return a connection that may do anything in a database."""
    address = f"host=127.0.0.1 port={postgresql.port} user=administrator dbname={database}"
    return psycopg.connect(address)


def test_a_database_is_away(api, variables, postgresql, token, shows):
    server, known = api(**variables), token()
    assert ask(server, known).status_code == 200
    postgresql.stop()
    shows("503 with `The database", lambda: ask(server, known), server)
    postgresql.start()


def test_the_database_of_the_authorization_server_is_away(
    stack, authorization_server, watch, postgresql, shows
):
    names = [f"{PREFIX}_INTROSPECTION_CLIENT_{part}" for part in ("ID", "SECRET")]
    client = tuple(stack.env[name] for name in names)
    url = f"{authorization_server.url}/o/introspect/"
    watch(authorization_server)
    postgresql.stop()

    def introspect():
        requests.post(url, {"token": "unknown"}, auth=client, timeout=30)

    shows("introspections answer 503", introspect, authorization_server)
    postgresql.start()


def test_events_are_not_sealed(authorization_server, watch, postgresql, shows):
    watch(authorization_server)
    with administrator(postgresql, "authorization_server") as connection:
        connection.execute(
            "INSERT INTO audit_event (time, expires, event, outcome, sub, act, client_id, address,"
            " request_id, details) VALUES (now() - interval '3 hours', now() + interval '1 day',"
            " 'sign-in', 'ok', '', '', '', '', '', '{}')"
        )
    shows("security events are not sealed", lambda: None, authorization_server)


def test_the_cache_server_is_away(api, token, shows):
    server = api(**{f"{PREFIX}_CACHE_URL": "redis://127.0.0.1:9/0"})
    shows("more introspections", lambda: ask(server, token()), server)
    assert ask(server, token()).status_code == 200


def test_revocations_do_not_arrive(api, authorization_server, shows):
    server = api(AUTHORIZATION_SERVER_INTERNAL_URL=authorization_server.url)
    url = f"{server.url}/health/ready"
    until(lambda: requests.get(url, timeout=30).json().get("revocations") == "ok")
    authorization_server.stop()
    shows("revoked tokens live on", lambda: None, server)


def test_no_thread_is_free(api, variables, postgresql, token, shows):
    server, known = api(WEB_THREADS="1", **variables), token()
    assert ask(server, known).status_code == 200
    with administrator(postgresql, PREFIX.lower()) as connection, ThreadPoolExecutor(6) as callers:
        connection.execute("LOCK TABLE api_item")
        bearer = {"Authorization": f"Bearer {known}"}
        send = partial(requests.get, f"{server.url}/api/items/", headers=bearer, timeout=120)
        made = [callers.submit(send) for _ in range(6)]
        shows("503 with `The server is busy.`", lambda: None, server)
        connection.rollback()
        texts = [one.result().text for one in made]
    # One has the thread, and one is at hand.
    assert len([text for text in texts if "The server is busy." in text]) == 4


def test_an_address_sends_unknown_tokens(api, shows):
    server = api()

    def guess():
        for number in range(30):
            ask(server, f"unknown-{number}-{time.monotonic()}")

    shows("503, `Retry-After: 1`, to one address", guess, server)


@pytest.fixture
def issuer():
    """Serve a key set; return its address, the public keys in it, and a key that is not in it."""
    published, new = (JWK.generate(kty="EC", crv="P-256", kid=kid) for kid in ("old", "new"))
    keys = [published.export_public(as_dict=True)]

    class KeySet(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": keys}).encode())

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), KeySet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", keys, new
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("has_keys", [True, False], ids=["other keys", "no key"])
def test_a_signing_key_is_not_published(api, shows, issuer, has_keys):
    url, keys, key = issuer
    if not has_keys:
        keys.clear()
    audience = "https://api.example.com"
    preset = {"ISSUER": url, "AUDIENCE": audience, "JWKS_URL": url, "ALGORITHMS": "ES256"}
    server = api(ISSUERS="rfc9068", **{f"RFC9068_{name}": value for name, value in preset.items()})

    def send():
        now = int(time.time())
        claims = {"iss": url, "aud": audience, "sub": "1", "client_id": "c", "scope": SCOPE}
        claims |= {"exp": now + 900, "iat": now, "jti": str(time.monotonic())}
        jwt = JWT({"alg": "ES256", "kid": "new", "typ": "at+jwt"}, claims)
        jwt.make_signed_token(key)
        return ask(server, jwt.serialize())

    shows("503 to new JWTs" if has_keys else "503 to all JWTs", send, server)
    assert send().status_code == 503


@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")
def test_a_clock_is_off(api, stack, token, shows):
    server = api(**AHEAD)
    shows("each new token is", lambda: ask(server, token()), server)
    answer = ask(server, token())
    assert (answer.status_code, "invalid_token" in answer.headers["WWW-Authenticate"]) == (
        401,
        True,
    )
    doctor = subprocess.run(
        [sys.executable, "manage.py", "resource_server_doctor"],
        cwd=ROOT / "resource_servers" / NAME,
        env=stack.environment | AHEAD,
        capture_output=True,
        encoding="utf-8",
    )
    assert "behind. Set both clocks by NTP." in doctor.stdout
