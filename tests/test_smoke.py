"""`scripts/smoke.py` accepts only correct answers, and reports a wrong one in one sentence.

One small HTTP server replaces all services. It answers by the contract, unless a test changes an
answer. test_project.py runs the flow against the real services.
"""

import base64
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

CLIENT_ID = "demo-machine"
SECRET = "the-secret-of-the-demo-machine-0123456789"
TOKEN = "an-access-token-"
BASIC = "Basic " + base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
# Lines of the report with two resource servers.
LINES = 31
MODES = "read", "write"
WITHOUT_RETRIES = """
import sys
sys.path.insert(0, "scripts")
import smoke
smoke.READY_SECONDS = 0
smoke.main()
"""

# A request, a text in its answer, the replacement, and the last line of the report.
WRONG_ANSWERS = {
    "reports of revocations that do not arrive": (
        *("GET /orders/health/ready", '"ok"', '"unreachable"'),
        "orders: reports of revocations",
    ),
    "metadata of another issuer": ("GET /.well-known/", "http:", "https:", "discovery (RFC 8414)"),
    "a token of another type": ("POST /o/token/", "Bearer", "MAC", "token for all scopes"),
    "a token without an end": ("POST /o/token/", "expires_in", "x", "token for all scopes"),
    "no token": ("POST /o/token/", "access_token", "x", "token for all scopes"),
    "another subject": ("GET /orders/", f'"sub": "{CLIENT_ID}"', '"sub": "m"', "orders: whoami"),
    "another client": ("GET /orders/", '"client_id": "', '"client_id": "x', "orders: whoami"),
    "a redirect": ("GET /orders/api/whoami/", "200", "302", "orders: whoami"),
    "an item without an id": ("POST /orders/", '"id"', '"x"', "orders: create an item"),
    "an item that is not found": ("GET /orders/", '"count": 1', '"count": 0', "orders: find it"),
    "an item that is not deleted": ("DELETE /orders/", "204", "202", "orders: delete it"),
    "an error without a token": ("GET /orders/", 'realm="r"', 'error="x"', "orders: no token"),
    "a malformed header as a 401": ("GET /orders/", "400", "401", "orders: malformed header"),
    "a malformed header as something else": (
        *("GET /orders/", "invalid_request", "x"),
        "orders: malformed header",
    ),
    "garbage as something else": ("GET /orders/", "invalid_token", "x", "orders: garbage"),
    "a missing scope as a 401": ("POST /orders/", "403", "401", "orders: create with the token"),
    "a missing scope that is another one": (
        *("POST /orders/", "orders:write", "orders:read"),
        "orders: create with the token",
    ),
    "a revocation that fails": ("POST /o/revoke_token/", "200", "401", "revoke that token"),
    "introspection by another client": ("POST /o/introspect/", "401", "200", "introspection by"),
    "introspection that fails otherwise": (
        *("POST /o/introspect/", "invalid_client", "x"),
        "introspection by",
    ),
}


class Platform:
    """The state of the small server: its tokens, its items and the changes by a test."""

    def __init__(self):
        self.requests = []
        self.scopes = {}
        self.revoked = set()
        self.late = 0
        self.names = {}
        self.wrong_from = None
        self.tampered = None
        self.unready = 0
        self.unavailable = 0

    def answer(self, method, target, headers, body):
        """Return status, challenge and JSON body, with the change by the test."""
        self.requests.append(f"{method} {target.path}")
        if self.wrong_from is not None and len(self.requests) >= self.wrong_from:
            return 418, "", {}
        status, challenge, answer = self.correct_answer(method, target, headers, body)
        if self.tampered and f"{method} {target.path}".startswith(self.tampered[0]):
            return tamper(status, challenge, answer, *self.tampered[1:3])
        return status, challenge, answer

    def correct_answer(self, method, target, headers, body):
        """Return the answer of the contract."""
        if target.path.endswith("/health/ready"):
            self.unready -= 1
            is_resource_server = target.path != "/health/ready"
            states = {"revocations": "ok"} if is_resource_server else {}
            return (503 if self.unready >= 0 else 200), "", states
        if target.path.startswith(("/o/", "/.well-known/")):
            return self.authorization_server(target.path, headers, parse_qs(body))
        name, path = target.path.removeprefix("/").split("/api/")
        return self.resource_server(name, f"{method} {path}", target, headers, body)

    def authorization_server(self, path, headers, form):
        """Answer one request to the authorization server."""
        if path == "/.well-known/oauth-authorization-server":
            return 200, "", {"issuer": f"http://{headers['Host']}"}
        assert headers["Authorization"] == BASIC
        if path == "/o/token/":
            token = f"{TOKEN}{len(self.scopes)}"
            self.scopes[token] = form["scope"][0].split()
            return 200, "", {"access_token": token, "token_type": "Bearer", "expires_in": 600}
        if path == "/o/revoke_token/":
            self.revoked.add(form["token"][0])
            return 200, "", {}
        return 401, 'Basic realm="r"', {"error": "invalid_client"}

    def resource_server(self, name, request, target, headers, body):
        """Answer one request to the resource server `name`."""
        words = headers.get("Authorization", "").split()
        if not words:
            return 401, 'Bearer realm="r"', {"detail": "Who are you?"}
        if len(words) > 2:
            return 400, 'Bearer realm="r", error="invalid_request"', {}
        if self.unavailable > 0:
            self.unavailable -= 1
            return 503, "", {}
        scopes = [scope for scope in self.scopes.get(words[1], []) if scope.startswith(f"{name}:")]
        if words[1] in self.revoked and self.late:
            # Answer once from a cache entry that was valid when the request arrived.
            seconds, self.late = self.late, 0
            time.sleep(seconds)
        elif words[1] in self.revoked or not scopes:
            return 401, 'Bearer realm="r", error="invalid_token"', {"detail": "It is not valid."}
        if request == "POST items/" and f"{name}:write" not in scopes:
            return 403, f'Bearer error="insufficient_scope", scope="{name}:write"', {}
        return self.items(name, request, target, body)

    def items(self, name, request, target, body):
        """Answer one authorized request."""
        if request == "POST items/":
            self.names[name] = json.loads(body)["name"]
            return 201, "", {"id": 1}
        if request == "GET items/":
            found = parse_qs(target.query)["name"] == [self.names.get(name)]
            return 200, "", {"count": int(found), "results": []}
        if request == "DELETE items/1/":
            del self.names[name]
            return 204, "", {}
        return 200, "", {"sub": CLIENT_ID, "client_id": CLIENT_ID, "iss": "https://as.example.com"}


def tamper(status, challenge, answer, old, new):
    """Return an answer with the text `old` replaced in its status, challenge or body."""
    return (
        int(new) if str(status) == old else status,
        challenge.replace(old, new),
        json.loads(json.dumps(answer).replace(old, new)),
    )


@pytest.fixture
def platform():
    return Platform()


@pytest.fixture
def url(platform):
    """Run the small server; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            status, challenge, answer = platform.answer(
                self.command, urlsplit(self.path), self.headers, body
            )
            content = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_request

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def project(bare_project, run_script, url):
    """Return a project with two resource servers; the small server is all of its services."""
    run_script(bare_project, "add_resource_server", "orders", "inventory")
    write_env(bare_project, url)
    return bare_project


@pytest.fixture
def smoke(project, run_script):
    """Return a function that runs the script."""

    def smoke(**options):
        run = run_script(project, "smoke", **options)
        assert "Traceback" not in run.stderr
        assert run.stderr.count("\n") == (1 if run.returncode else 0)
        return run

    return smoke


def write_env(project, url):
    """Write the `.env` of a project whose services are all at `url`."""
    lines = [
        f"AUTHORIZATION_SERVER_URL={url}",
        f"ORDERS_URL={url}/orders",
        f"INVENTORY_URL={url}/inventory",
        f"DEMO_MACHINE_CLIENT_ID={CLIENT_ID}",
        f"DEMO_MACHINE_CLIENT_SECRET={SECRET}",
        "RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0",
    ]
    (project / ".env").write_text("\n".join(lines), encoding="utf-8")


def numbers_in(report):
    """Return the line numbers of a report."""
    return [int(number) for number in re.findall(r"^ *(\d+)  ", report, re.MULTILINE)]


# --- The report -----------------------------------------------------------------------------------


def test_correct_answers_are_accepted(smoke):
    run = smoke()
    assert (run.returncode, run.stderr) == (0, "")


def test_each_request_has_a_numbered_line(smoke):
    assert numbers_in(smoke().stdout) == list(range(1, LINES + 1))


def test_a_line_has_the_step_the_answer_and_the_duration(smoke):
    assert re.search(
        r"^ *\d+  orders: create with the token for reading +"
        r"403 error=insufficient_scope scope=orders:write +\d+ ms$",
        smoke().stdout,
        re.MULTILINE,
    )


def test_no_token_and_no_secret_is_printed(smoke):
    run = smoke()
    assert [word for word in (SECRET, TOKEN) if word in run.stdout + run.stderr] == []


def test_with_one_resource_server_the_step_that_needs_two_is_skipped(bare_project, run_script, url):
    run_script(bare_project, "add_resource_server", "orders")
    write_env(bare_project, url)
    run = run_script(bare_project, "smoke")
    assert (run.returncode, run.stdout.count("skipped")) == (0, 1)


def test_scopes_that_were_added_to_a_manifest_are_requested(smoke, project, platform):
    manifest = project / "resource_servers" / "orders" / "resource_server.toml"
    with manifest.open("a", encoding="utf-8") as file:
        file.write('"orders:refund" = "Give money back"\n')
    smoke()
    assert "orders:refund" in platform.scopes[f"{TOKEN}0"]


# --- Wrong answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, LINES + 1))
def test_the_first_wrong_answer_ends_the_flow(smoke, platform, number):
    platform.wrong_from = number
    run = smoke(python=(sys.executable, "-B", "-c", WITHOUT_RETRIES))
    assert (run.returncode, numbers_in(run.stdout)[-1]) == (1, number)
    assert "418" in run.stderr


@pytest.mark.parametrize("tampered", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
def test_an_answer_with_one_wrong_value_is_refused(smoke, platform, tampered):
    platform.tampered = tampered
    run = smoke()
    assert (run.returncode, run.stderr.startswith("Wrong answer to ")) == (1, True)
    assert run.stdout.splitlines()[-1].lstrip(" 0123456789").startswith(tampered[3])


def test_a_wrong_answer_is_reported_with_the_expected_one(smoke, platform, url):
    platform.tampered = ("POST /orders/", "orders:write", "orders:read")
    assert smoke().stderr == (
        f"Wrong answer to POST {url}/orders/api/items/: "
        "expected 403 error=insufficient_scope scope=orders:write, "
        "got 403 error=insufficient_scope scope=orders:read (no reason given).\n"
    )


def test_items_are_deleted_and_tokens_revoked_after_the_last_step(smoke, platform):
    smoke()
    assert (platform.names, platform.revoked) == ({}, set(platform.scopes))


def test_items_are_deleted_and_tokens_revoked_after_a_wrong_answer(smoke, platform):
    platform.tampered = ("GET /orders/api/items/", '"count": 1', '"count": 0')
    smoke()
    assert (platform.names, platform.revoked) == ({}, set(platform.scopes))


def test_a_service_that_is_not_ready_is_retried(smoke, platform):
    platform.unready = 2
    assert smoke().returncode == 0


def test_a_503_of_a_resource_server_is_retried(smoke, platform):
    platform.unavailable = 2
    assert smoke().returncode == 0


def test_a_revoked_token_may_be_accepted_in_a_late_answer_to_an_early_request(smoke, platform):
    platform.late = 1.5
    assert smoke(RESOURCE_SERVER_TOKEN_CACHING_SECONDS="0.1").returncode == 0


# --- No answer ------------------------------------------------------------------------------------


def test_a_missing_service_names_the_command_that_starts_it(smoke, project):
    write_env(project, "http://127.0.0.1:1")
    run = smoke()
    assert run.stderr == (
        "Nothing answers at http://127.0.0.1:1/health/ready: "
        "start it with `make run` or `make up`.\n"
    )


def test_a_missing_env_names_the_command_that_creates_it(smoke, project):
    (project / ".env").unlink()
    assert smoke().stderr == "There is no .env yet: `make run` creates it.\n"


def test_a_missing_variable_is_named(smoke, project):
    (project / ".env").write_text("AUTHORIZATION_SERVER_URL=http://127.0.0.1:1\n", encoding="utf-8")
    assert smoke().stderr.startswith("INVENTORY_URL is missing in .env: ")


def test_a_project_without_resource_servers_names_the_command_that_adds_one(
    run_script, bare_project, url
):
    write_env(bare_project, url)
    run = run_script(bare_project, "smoke")
    assert (run.returncode, "make resource-server name=" in run.stderr) == (1, True)


def test_an_invalid_url_is_reported_in_one_sentence(smoke):
    assert smoke(ORDERS_URL="localhost").stderr.startswith(
        "No answer from localhost/health/ready: "
    )


def test_missing_dependencies_are_reported_in_one_sentence(smoke):
    # -S leaves out the packages of the environment.
    assert (
        smoke(python=(sys.executable, "-B", "-S")).stderr
        == "The dependencies are not installed: run `make install`.\n"
    )


def test_a_python_before_3_11_is_refused_in_one_sentence(smoke, old_python):
    assert smoke(**old_python).returncode == 1


# --- The variables ------------------------------------------------------------------------------


def test_the_variable_env_file_names_the_file_to_read(smoke, project):
    (project / ".env").rename(project / "other.env")
    assert smoke(ENV_FILE="other.env").returncode == 0


def test_without_an_env_file_the_environment_is_read(smoke, project, url):
    text = (project / ".env").read_text(encoding="utf-8")
    (project / ".env").unlink()
    variables = dict(line.split("=", 1) for line in text.splitlines())
    assert smoke(ENV_FILE="", **variables).returncode == 0


def test_a_secret_is_read_from_a_named_file(smoke, tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    run = smoke(
        DEMO_MACHINE_CLIENT_SECRET="wrong",
        DEMO_MACHINE_CLIENT_SECRET_FILE=str(tmp_path / "secret"),
    )
    assert run.returncode == 0


def test_a_proxy_of_the_environment_is_not_used(smoke):
    assert smoke(HTTP_PROXY="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1").returncode == 0


# --- Other issuers -------------------------------------------------------------------------------

OTHER_TOKEN = "a-token-of-another-issuer"
READ_TOKEN = "a-token-of-another-issuer-for-reading"
AT_ONE_RESOURCE_SERVER = 8  # lines


@pytest.fixture
def other_issuer(platform):
    """Let the platform accept two tokens that its authorization server has not issued."""
    servers = "orders", "inventory"
    platform.scopes[OTHER_TOKEN] = [f"{name}:{kind}" for name in servers for kind in MODES]
    platform.scopes[READ_TOKEN] = [f"{name}:read" for name in servers]
    return {"SMOKE_TOKEN": OTHER_TOKEN, "SMOKE_READ_TOKEN": READ_TOKEN}


def test_a_token_of_another_issuer_is_tested_beside_those_of_the_authorization_server(
    smoke, other_issuer
):
    run = smoke(**other_issuer)
    assert (run.returncode, numbers_in(run.stdout)[-1]) == (0, LINES + 2 * AT_ONE_RESOURCE_SERVER)


def test_with_other_issuers_only_the_authorization_server_gets_no_request(
    smoke, other_issuer, platform
):
    run = smoke(ISSUERS="okta", **other_issuer)
    sent = [path for path in platform.requests if "/o/" in path or "/.well-known/" in path]
    assert (run.returncode, sent) == (0, [])


def test_with_other_issuers_only_the_demo_accounts_are_not_needed(
    smoke, other_issuer, project, url
):
    lines = f"ORDERS_URL={url}/orders", f"INVENTORY_URL={url}/inventory"
    (project / ".env").write_text("\n".join(lines), encoding="utf-8")
    assert smoke(ISSUERS="okta", **other_issuer).returncode == 0


def test_resource_servers_can_trust_different_issuers(smoke, other_issuer, platform):
    run = smoke(INVENTORY_ISSUERS="okta", **other_issuer)
    assert (run.returncode, run.stdout.count("skipped: there is only one")) == (0, 1)


def test_the_issuers_are_read_from_the_file_of_issuers(smoke, other_issuer, project, platform):
    (project / "issuers.toml").write_text('[[issuers]]\npreset = "okta"\n', encoding="utf-8")
    smoke(ISSUERS_CONFIG="issuers.toml", **other_issuer)
    assert [path for path in platform.requests if "/o/" in path] == []


def test_a_token_can_be_set_for_one_resource_server(smoke, other_issuer):
    other_issuer["ORDERS_SMOKE_TOKEN"] = other_issuer.pop("SMOKE_TOKEN")
    run = smoke(INVENTORY_ISSUERS="authorization_server", **other_issuer)
    assert (run.returncode, numbers_in(run.stdout)[-1]) == (0, LINES + AT_ONE_RESOURCE_SERVER)


def test_a_missing_token_names_the_variable_to_set(smoke):
    run = smoke(ISSUERS="okta")
    assert (run.returncode, run.stderr) == (
        1,
        "inventory trusts other issuers only: set SMOKE_TOKEN or INVENTORY_SMOKE_TOKEN to a token "
        "of one (docs/issuers/README.md).\n",
    )


def test_without_a_token_for_reading_its_step_is_skipped(smoke, other_issuer):
    del other_issuer["SMOKE_READ_TOKEN"]
    assert smoke(ISSUERS="okta", **other_issuer).stdout.count("skipped: SMOKE_READ_TOKEN") == 2


def test_a_token_is_read_from_a_named_file(smoke, other_issuer, tmp_path):
    (tmp_path / "token").write_text(f"{other_issuer.pop('SMOKE_TOKEN')}\n", encoding="utf-8")
    run = smoke(ISSUERS="okta", SMOKE_TOKEN_FILE=str(tmp_path / "token"), **other_issuer)
    assert run.returncode == 0


def test_a_refused_token_ends_the_flow(smoke, other_issuer):
    run = smoke(ISSUERS="okta", SMOKE_TOKEN="unknown")
    assert (run.returncode, "got 401 no sub no iss" in run.stderr) == (1, True)


def test_no_token_of_another_issuer_is_printed(smoke, other_issuer):
    run = smoke(**other_issuer)
    assert OTHER_TOKEN not in run.stdout + run.stderr


def test_items_of_a_token_of_another_issuer_are_deleted_at_the_end(smoke, other_issuer, platform):
    smoke(ISSUERS="okta", **other_issuer)
    assert platform.names == {}
