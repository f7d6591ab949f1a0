"""The production files: only a proxy that terminates TLS can be reached, and its headers are true.

The tests use a separate project without published ports of services and without mounted code.
"""

import json
import os
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import urllib3
from compose import (
    AUTHORIZATION_SERVER,
    CACHING_SECONDS,
    Answer,
    Stack,
    retry_503,
    wait_until,
)
from confidential import leaked_names, secrets_of
from load import Load
from stack import free_port

pytestmark = pytest.mark.slow

DOMAIN = "platform.test"
FILES = "compose.yml", "compose.production.yml"
THREE_OF_ORDERS = "--scale", "orders=3"
HOSTS = {"auth": AUTHORIZATION_SERVER, "orders": "orders", "inventory": "inventory"}
# A server that responds with the headers of the request.
ECHO = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({k.lower(): v for k, v in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
FORGED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "Forwarded": "for=203.0.113.7;proto=http",
    "X-Real-IP": "203.0.113.7",
    "Via": "1.1 203.0.113.7",
    "X_Forwarded_Proto": "http",
    "X_Forwarded_For": "203.0.113.7",
}


class Production(Stack):
    """The containers of a project behind its proxy."""

    def connections(self, host, **options):
        """Return connections to the proxy with `host` as the server name of TLS."""
        return urllib3.HTTPSConnectionPool(
            "127.0.0.1",
            int(self.variables["HTTPS_PORT"].rpartition(":")[2]),
            ca_certs=self.variables["TLS_CERTIFICATE"],
            server_hostname=host,
            assert_hostname=host,
            retries=False,
            timeout=60,
            **options,
        )

    def send(self, method, host, path, headers=None, **options):
        """Send a request through the proxy; return status, headers and JSON of the response."""
        with self.connections(host) as pool:
            answer = pool.request(
                method, path, headers={"Host": host} | (headers or {}), redirect=False, **options
            )
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return Answer(answer.status, answer.headers, answer.json() if is_json else {})

    def token(self, scope):
        """Return a header with a new token of the demo machine."""
        names = "DEMO_MACHINE_CLIENT_ID", "DEMO_MACHINE_CLIENT_SECRET"
        credentials = ":".join(self.env[name] for name in names)
        answer = self.send(
            "POST",
            f"auth.{DOMAIN}",
            "/o/token/",
            urllib3.make_headers(basic_auth=credentials),
            fields={"grant_type": "client_credentials", "scope": scope},
            encode_multipart=False,
        )
        assert answer.status == 200, answer
        return {"Authorization": f"Bearer {answer.json['access_token']}"}


def make_certificate(folder):
    """Create a self-signed certificate for every host of the domain."""
    names = f"subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN}"
    command = "openssl req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
    paths = ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    subject = ["-subj", f"/CN={DOMAIN}", "-addext", names]
    subprocess.run([*command.split(), *paths, *subject], check=True, capture_output=True)
    return {
        "TLS_CERTIFICATE": str(folder / "certificate.pem"),
        "TLS_PRIVATE_KEY": str(folder / "key.pem"),
    }


@pytest.fixture(scope="module")
def prepared(fresh_project, bake, tmp_path_factory):
    """Return a project for production, in which the demo machine is a client too."""
    name = f"{fresh_project.name}_production"
    project = bake({"project_name": name, "project_slug": name, "domain": DOMAIN})
    clients = project / "authorization_server" / "clients.toml"
    text = clients.read_text(encoding="utf-8")
    enabled = text.replace('environments = ["development"]', "", 1)
    assert enabled != text
    clients.write_text(enabled, encoding="utf-8")
    variables = make_certificate(tmp_path_factory.mktemp("certificate")) | {
        "HTTP_PORT": f"127.0.0.1:{free_port()}",
        "HTTPS_PORT": f"127.0.0.1:{free_port()}",
        "AUTHORIZATION_SERVER_URL": f"https://auth.{DOMAIN}",
        "ORDERS_URL": f"https://orders.{DOMAIN}",
        "INVENTORY_URL": f"https://inventory.{DOMAIN}",
        "WEB_CONCURRENCY": "1",
        "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": CACHING_SECONDS,
        "COMPOSE_FILE": os.pathsep.join(FILES),
    }
    return Production(project, variables)


@pytest.fixture(scope="module")
def configuration(prepared):
    """Return the merged production files, which are named as in the README."""
    files = [option for file in FILES for option in ("-f", file)]
    return json.loads(prepared.compose(*files, "config", "--format", "json").stdout)


@pytest.fixture(scope="module")
def production(prepared):
    """Return the running containers, three of them for orders."""
    try:
        prepared.up(*THREE_OF_ORDERS)
        yield prepared
    finally:
        prepared.remove()
        prepared.remove_images()


# --- The files ------------------------------------------------------------------------------------


def test_only_the_proxy_publishes_ports(configuration):
    publishing = [n for n, service in configuration["services"].items() if service.get("ports")]
    assert publishing == ["proxy"]


def test_no_code_is_mounted(configuration, prepared):
    mounted = {
        volume["source"].removeprefix(f"{prepared.project}/")
        for service in configuration["services"].values()
        for volume in service.get("volumes", ())
        if volume["type"] == "bind"
    }
    assert mounted == {"deploy/postgres", "deploy/valkey", "deploy/nginx"}


def test_every_service_of_the_own_image_is_in_production(configuration):
    environments = {
        service["environment"]["ENVIRONMENT"]
        for service in configuration["services"].values()
        if "ENVIRONMENT" in service.get("environment", ())
    }
    assert environments == {"production"}


def test_debugging_is_off(configuration):
    environments = [each.get("environment", {}) for each in configuration["services"].values()]
    assert [environment["DEBUG"] for environment in environments if environment.get("DEBUG")] == []


def test_services_that_listen_are_restarted_and_have_a_memory_limit(configuration):
    listening = ["proxy", "postgres", "valkey", "clear-tokens", *HOSTS.values()]
    services = configuration["services"]
    assert [n for n in listening if services[n].get("restart") != "unless-stopped"] == []
    assert [n for n in ["proxy", *HOSTS.values()] if not services[n].get("mem_limit")] == []


def test_the_production_configuration_holds_no_secret(prepared):
    text = prepared.compose("config").stdout
    assert leaked_names(text, secrets_of(prepared.project)) == []


def test_the_databases_are_in_the_internal_network_only(configuration):
    services, networks = configuration["services"], configuration["networks"]
    assert [set(services[name]["networks"]) for name in ("postgres", "valkey")] == [{"data"}] * 2
    assert networks["data"]["internal"]


@pytest.mark.parametrize("name", ["TLS_CERTIFICATE", "TLS_PRIVATE_KEY"])
def test_a_missing_path_of_tls_is_reported_in_one_sentence(prepared, name):
    variables = {key: value for key, value in prepared.variables.items() if key != name}
    stack = Production(prepared.project, variables)
    process = stack.compose("config", "--quiet", check=False)
    assert process.returncode != 0
    assert f"required variable {name} is missing a value: set it in .env" in process.stdout


def test_compose_yml_publishes_no_port(prepared):
    stack = Stack(prepared.project, prepared.variables | {"COMPOSE_FILE": FILES[0]})
    services = json.loads(stack.compose("config", "--format", "json").stdout)["services"]
    assert [name for name, service in services.items() if service.get("ports")] == []


# --- The proxy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_each_service_answers_under_its_own_name(production, host):
    path = "/accounts/login/" if host == "auth" else "/api/ping/"
    assert production.send("GET", f"{host}.{DOMAIN}", path).status == 200


@pytest.mark.parametrize("host", HOSTS)
def test_the_probes_are_not_published(production, host):
    assert production.send("GET", f"{host}.{DOMAIN}", "/health/ready").status == 404


def test_the_issuer_is_the_public_address(production):
    answer = production.send("GET", f"auth.{DOMAIN}", "/.well-known/oauth-authorization-server")
    assert answer.json["issuer"] == f"https://auth.{DOMAIN}"


@pytest.mark.parametrize("server", ["orders", "inventory"])
def test_a_token_is_accepted_through_the_proxy(production, server):
    headers = production.token(f"{server}:read")
    answer = retry_503(production.send, "GET", f"{server}.{DOMAIN}", "/api/whoami/", headers)
    assert (answer.status, answer.json["iss"]) == (200, f"https://auth.{DOMAIN}")


def test_there_are_no_demo_accounts(production):
    assert "demo user: created" not in production.logs("ensure-clients")
    assert "demo-browser: created" not in production.logs("ensure-clients")


@pytest.mark.parametrize(
    "host", ["postgres", "valkey", "clear-tokens", "proxy", "orders-migrate", "unknown"]
)
def test_other_services_cannot_be_reached_by_a_host_name(production, host):
    assert production.send("GET", f"{host}.{DOMAIN}", "/").status in (421, 503)


def test_a_host_of_another_domain_is_misdirected(production):
    with production.connections(f"orders.{DOMAIN}") as pool:
        assert pool.request("GET", "/", headers={"Host": "orders.evil.test"}).status == 421


def test_http_is_redirected_to_https(production):
    host, port = production.variables["HTTP_PORT"].split(":")
    with urllib3.HTTPConnectionPool(host, int(port), retries=False, timeout=60) as pool:
        answer = pool.request(
            "GET", "/api/ping/", headers={"Host": f"orders.{DOMAIN}"}, redirect=False
        )
    location = f"https://orders.{DOMAIN}/api/ping/"
    assert (answer.status, answer.headers["Location"]) == (308, location)


def test_responses_have_strict_transport_security(production):
    answer = production.send("GET", f"orders.{DOMAIN}", "/api/ping/")
    assert "max-age" in answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("header", ["X-Forwarded-Proto", "X_Forwarded_Proto"])
def test_a_forged_scheme_changes_nothing(production, header):
    # A service that trusted the header would redirect to https.
    answer = production.send("GET", f"orders.{DOMAIN}", "/api/ping/", {header: "http"})
    assert answer.status == 200


def test_metrics_cannot_be_read_through_the_proxy(production):
    headers = {"X-Forwarded-For": "127.0.0.1"}
    assert production.send("GET", f"orders.{DOMAIN}", "/metrics", headers).status == 404


@pytest.fixture(scope="module")
def echoed(production):
    """Return the headers that a service receives for a request with forged headers."""
    name = f"{production.name}-echo"
    production.run(
        *("docker", "run", "--detach", "--rm", "--name", name),
        *("--network", f"{production.name}_default"),
        *("--network-alias", "echo.proxied.internal"),
        *(f"localhost/{production.name}", "python", "-c", ECHO),
    )
    try:
        wait_until(lambda: production.send("GET", f"echo.{DOMAIN}", "/").status == 200)
        return production.send("GET", f"echo.{DOMAIN}", "/", FORGED).json
    finally:
        production.run("docker", "rm", "--force", name)


def test_no_forged_header_reaches_a_service(echoed):
    forged = {"203.0.113.7", "evil.test", "http", "1"}
    passed = {name: value for name, value in echoed.items() if forged & set(value.split())}
    assert passed == {}


def test_a_service_receives_the_scheme_the_host_and_the_address_of_the_client(echoed):
    assert (echoed["x-forwarded-proto"], echoed["host"]) == ("https", f"echo.{DOMAIN}")
    assert echoed["x-forwarded-for"].count(".") == 3


def test_a_forged_address_does_not_avoid_the_rate_limit(production):
    # An address may send a burst of 20 invalid tokens, and 10 a second. If forged addresses were
    # trusted, no request would be limited. 600 requests exceed the limit on a slow machine too.
    host, path = f"inventory.{DOMAIN}", "/api/whoami/"

    def send(pool, number):
        forged = f"198.51.{number // 250}.{number % 250}"
        headers = {"Authorization": f"Bearer bad-{number}", "X-Forwarded-For": forged}
        return pool.request("GET", path, headers=headers | {"Host": host}).status

    with production.connections(host, maxsize=2) as pool, ThreadPoolExecutor(2) as threads:
        statuses = Counter(threads.map(partial(send, pool), range(600)))
    assert (set(statuses), statuses[503] > 0) == ({401, 503}, True)
    headers = production.token("inventory:read")
    wait_until(lambda: production.send("GET", host, path, headers).status == 200)


# --- Several containers of a service --------------------------------------------------------------


def upstreams(production, path):
    """Return the number of requests for `path` to each address in the log of the proxy."""
    lines = production.logs("proxy").splitlines()
    return Counter(line.split()[-1] for line in lines if path in line)


def test_requests_are_spread_over_all_containers_of_a_service(production):
    for _ in range(60):
        production.send("GET", f"orders.{DOMAIN}", "/api/schema/spread")
    counts = upstreams(production, "/api/schema/spread")
    assert (len(counts), min(counts.values()) > 5) == (3, True)


def fill_all_caches(pool, headers):
    """Return when all containers have cached the token: 100 consecutive requests succeed."""

    def is_accepted():
        return pool.request("GET", "/api/whoami/", headers=headers).status == 200

    wait_until(lambda: all(is_accepted() for _ in range(100)))


def test_a_killed_container_loses_no_request_while_others_run(production):
    headers = production.token("orders:read") | {"Host": f"orders.{DOMAIN}"}
    name = production.containers("orders")[0]["Name"].removeprefix("/")
    with production.connections(f"orders.{DOMAIN}", maxsize=4) as pool:
        fill_all_caches(pool, headers)
        with Load(pool, "/api/whoami/", headers) as load:
            production.run("docker", "kill", name)
            load.wait_for_more(400)
    production.run("docker", "start", name)
    production.up("--no-deps", "--no-recreate", *THREE_OF_ORDERS, "orders")  # wait for health
    assert set(load.answers) == {200}


def test_a_restart_of_the_authorization_server_loses_no_request_behind_the_proxy(production):
    headers = production.token("orders:read") | {"Host": f"orders.{DOMAIN}"}
    with production.connections(f"orders.{DOMAIN}", maxsize=4) as pool:
        fill_all_caches(pool, headers)
        with Load(pool, "/api/whoami/", headers) as load:
            production.compose("restart", AUTHORIZATION_SERVER)
    assert set(load.answers) == {200}


def test_the_proxy_finds_a_recreated_container(production):
    production.up("--force-recreate", "--no-deps", "inventory")
    host = f"inventory.{DOMAIN}"
    wait_until(lambda: production.send("GET", host, "/api/ping/").status == 200)
