"""The configuration of the proxy, run by nginx in front of a server that shows what it receives."""

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from stack import free_port

pytestmark = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")

WAIT_SECONDS = 60
DOMAIN = "example.com"
SERVICES = ["auth", "orders"]


class Echo(BaseHTTPRequestHandler):
    """Answers with the path and the headers of the request; `/silent` gets no answer."""

    def do_GET(self):
        if self.path == "/silent":
            self.close_connection = True
            return
        seen = {"path": self.path, **{name.lower(): value for name, value in self.headers.items()}}
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def upstream():
    """Return the port of the server behind the proxy."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def write_configuration(project, upstream, folder):
    """Write the configuration with paths and ports of tests; return the ports and its path."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN=*.{DOMAIN}"]
    subprocess.run(
        ["openssl", "req", "-x509", *options, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    port, plain_port = free_port(), free_port()
    changes = [
        (r" /tmp/", f" {folder}/"),
        (r"listen 8443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (r"listen 8080", f"listen 127.0.0.1:{plain_port}"),
        (r"http://\$service\.proxied\.internal:8000", f"http://127.0.0.1:{upstream}"),
        (r"/run/secrets/TLS_CERTIFICATE", str(certificate)),
        (r"/run/secrets/TLS_PRIVATE_KEY", str(key)),
        (r"/dev/std(out|err)", str(folder / "log")),
        # Debian's nginx 1.22 has no such directive, and needs no user if it is not root's.
        (r"http2 on;", ""),
        (r"user nobody nogroup;", "user root;" if os.geteuid() == 0 else ""),
    ]
    text = (project / "deploy" / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    path = folder / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    return port, plain_port, path


@pytest.fixture(scope="module")
def configuration(project, upstream, tmp_path_factory):
    """Return the port of TLS and the path of the configuration for the tests of requests."""
    port, _, path = write_configuration(project, upstream, tmp_path_factory.mktemp("nginx"))
    return port, path


def get(port, service, path, headers):
    """Send a GET request to a service through the proxy; return the response and its body."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", port, timeout=WAIT_SECONDS, context=context)
    connection.request("GET", path, headers={"Host": f"{service}.{DOMAIN}"} | headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


@pytest.fixture(scope="module")
def send(configuration):
    """Return a function that sends a GET request to a service through the proxy."""
    port, path = configuration

    def send(service, path, headers=None):
        response, body = get(port, service, path, headers or {})
        send.headers = response.headers
        return response.status, body

    with (path.parent / "output").open("w") as output:
        process = subprocess.Popen(["nginx", "-c", path], stderr=output)
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while True:
            try:
                send("orders", "/")
                break
            except OSError:
                assert process.poll() is None, (path.parent / "output").read_text("utf-8")
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield send
    finally:
        process.terminate()
        process.wait(timeout=WAIT_SECONDS)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("path", ["/api/ping/", "/api/health/live", "/healthy", "/"])
def test_a_request_reaches_its_service(send, service, path):
    status, body = send(service, path)
    assert (status, json.loads(body)["path"]) == (200, path)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "path",
    [
        *("/health/live", "/health/ready", "/health/", "/health/ready?x=1"),
        *("//health/ready", "/%68ealth/ready", "/x/../health/ready", "/health%2Fready"),
    ],
)
def test_the_probes_are_not_published(send, service, path):
    status, body = send(service, path)
    assert (status, b'"path"' in body) == (404, False)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6Detrics", "/metrics?x=1"])
def test_the_metrics_are_not_published(send, service, path):
    status, body = send(service, path)
    assert (status, b'"path"' in body) == (404, False)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X_Forwarded_For", "X-Forwarded_For", "x_forwarded-for"]
)
def test_a_forged_address_does_not_reach_a_service(send, service, name):
    _, body = send(service, "/", {name: "203.0.113.7"})
    received = json.loads(body)
    addresses = [value for key, value in received.items() if "forwarded" in key.replace("_", "-")]
    assert sorted(addresses) == ["127.0.0.1", "https"]


@pytest.mark.parametrize(
    ("given", "is_kept"), [("abc-1.2_3", True), ('a"b', False), ("a" * 65, False), ("", False)]
)
def test_a_request_has_one_identifier_at_the_service_and_in_the_log(
    send, configuration, given, is_kept
):
    _, body = send("orders", "/?token=hidden", {"X-Request-ID": given})
    identifier = json.loads(body)["x-request-id"]
    log = configuration[1].parent / "log"
    deadline = time.monotonic() + WAIT_SECONDS  # nginx logs a request after it has answered
    while identifier not in log.read_text(encoding="utf-8") and time.monotonic() < deadline:
        time.sleep(0.01)
    line = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    assert list(line)[:5] == ["time", "level", "logger", "request_id", "message"]
    assert (line["request_id"], line["message"]) == (identifier, "GET / 200")
    assert (identifier == given) == is_kept


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_does_not_answer_is_503_with_a_time_to_come_back(send, service):
    status, body = send(service, "/silent")
    assert (status, send.headers["Retry-After"]) == (503, "5")
    assert json.loads(body)["error"] == "temporarily_unavailable"


# --- What a balancer asks -------------------------------------------------------------------------


def health(port):
    """Return the status of `/health` at the port without TLS, or None without an answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def wait_for(condition):
    """Return when `condition` is true."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def balanced(project, upstream, tmp_path):
    """Return ports and process of a proxy behind a balancer here; it drains for two seconds."""
    port, plain_port, path = write_configuration(project, upstream, tmp_path)
    script = (project / "deploy" / "nginx" / "start_proxy.sh").read_text(encoding="utf-8")
    script = script.replace("/tmp/", f"{tmp_path}/").replace("/etc/platform/nginx.conf", str(path))
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            ["sh", "-c", script],
            env=os.environ | {"DRAIN_SECONDS": "2", "BALANCER_ADDRESSES": "192.0.2.1 127.0.0.1"},
            stderr=output,
            start_new_session=True,
        )
    wait_for(lambda: health(plain_port) == 200)
    yield port, plain_port, process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=WAIT_SECONDS)


def test_a_proxy_that_stops_is_unhealthy_first_and_serves_on(balanced):
    _, port, process = balanced
    process.send_signal(signal.SIGQUIT)
    wait_for(lambda: health(port) == 503)
    wait_for(lambda: health(port) is None)
    assert process.wait(timeout=WAIT_SECONDS) == 0


def test_the_address_of_a_client_is_what_the_balancer_says(balanced):
    _, body = get(balanced[0], "orders", "/", {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"})
    assert json.loads(body)["x-forwarded-for"] == "203.0.113.7"
