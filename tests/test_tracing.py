"""One trace leads from a client through an API and its introspection to the queries of both."""

import base64
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import requests
from stack import free_port, make, read_env, running, use_free_ports

pytestmark = pytest.mark.slow

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "of-the-client"}
RECEIVER = Path(__file__).with_name("otlp_receiver.py")


def with_traces(project):
    """Change a project as docs/observability.md says; return the port of its receiver."""
    path, port = project / "pyproject.toml", free_port()
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('groups = ["dev"', 'groups = ["dev", "opentelemetry"'), "utf-8")
    with (project / ".env").open("a") as env:
        env.write(f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{port}\n")
        env.write("OTEL_BSP_SCHEDULE_DELAY=100\n")  # milliseconds
    return port


@pytest.fixture(scope="module")
def platform(bake, tmp_path_factory):
    """Start a project with traces and a receiver; return it and the file of the spans."""
    project = bake({"resource_servers": "orders"})
    use_free_ports(project)
    port = with_traces(project)
    make(project, "install", check=True)
    file = tmp_path_factory.mktemp("otlp") / "spans"
    file.touch()
    command = [project / ".venv" / "bin" / "python", RECEIVER, str(port), file]
    receiver = subprocess.Popen(command)
    try:
        with running(project):
            yield project, file
    finally:
        receiver.terminate()
        receiver.wait(timeout=60)


@pytest.fixture(scope="module")
def token(platform):
    """Return an access token of the demo machine."""
    env = read_env(platform[0])
    auth = env["DEMO_MACHINE_CLIENT_ID"], env["DEMO_MACHINE_CLIENT_SECRET"]
    form = {"grant_type": "client_credentials", "scope": "orders:read"}
    url = f"{env['AUTHORIZATION_SERVER_URL']}/o/token/"
    return requests.post(url, form, auth=auth, timeout=60).json()["access_token"]


@pytest.fixture(scope="module")
def spans(platform, token):
    """Send a request with a new token, and return the spans of its trace by service and name."""
    project, file = platform
    url = f"{read_env(project)['ORDERS_URL']}/api/items/?search=of-nobody"
    headers = {"Authorization": f"Bearer {token}", **HEADERS}
    assert requests.get(url, headers=headers, timeout=60).status_code == 200
    deadline, found = time.monotonic() + 60, {}
    while len(found) < 4 and time.monotonic() < deadline:
        time.sleep(0.1)
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        found = {
            (values(each["resource"])["service.name"], each["name"]): each
            for each in lines
            if each["traceId"] == identifier(TRACE)
        }
    return found


def identifier(text):
    """Return an identifier in hexadecimal as JSON has it."""
    return base64.b64encode(bytes.fromhex(text)).decode()


def values(part):
    """Return the attributes of a span or a resource."""
    return {each["key"]: next(iter(each["value"].values())) for each in part["attributes"]}


REQUEST = ("orders", "GET /api/items/")
INTROSPECTION = ("authorization-server", "POST /o/introspect/")
QUERIES = ("orders", "SELECT"), ("authorization-server", "SELECT")


def test_a_trace_has_the_requests_to_both_services_and_their_queries(spans):
    assert set(spans) == {REQUEST, INTROSPECTION, *QUERIES}


def test_each_span_has_the_span_that_caused_it_as_its_parent(spans):
    request, introspection = spans[REQUEST], spans[INTROSPECTION]
    assert request["parentSpanId"] == identifier(PARENT)
    assert introspection["parentSpanId"] == request["spanId"]
    parents = [spans[query]["parentSpanId"] for query in QUERIES]
    assert parents == [request["spanId"], introspection["spanId"]]


@pytest.mark.parametrize("name", [REQUEST, INTROSPECTION])
def test_a_span_of_a_request_has_its_identifier_and_its_status(spans, name):
    attributes = values(spans[name])
    assert attributes["request_id"] == "of-the-client"
    assert attributes["http.response.status_code"] == "200"


def test_a_query_is_recorded_with_placeholders(spans):
    assert "oauth2_provider_accesstoken" in values(spans[QUERIES[1]])["db.query.text"]


def test_no_span_has_a_token_a_secret_or_the_query_of_a_url(platform, spans, token):
    project, file = platform
    written, env = file.read_text("utf-8"), read_env(project)
    secrets = [value for name, value in env.items() if name.endswith(("SECRET", "KEY"))]
    assert [each for each in (token, "of-nobody", *secrets) if each in written] == []


def test_nothing_is_imported_without_the_address_of_a_collector(platform):
    project, _ = platform
    code = "import config.asgi, sys; print(*[name for name in sys.modules if 'telemetry' in name])"
    imported = subprocess.run(
        [project / ".venv" / "bin" / "python", "-c", code],
        cwd=project / "authorization_server",
        env=os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert imported.stdout == "\n"
