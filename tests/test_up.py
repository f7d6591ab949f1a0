"""`scripts/up.py` says what is in the way of the containers, and which of them has failed.

Docker is a program that answers as it is told; tests/containers start the platform for real.
"""

import json
import os
import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for Docker needs a Unix")


@pytest.fixture
def platform(platform):
    """Return the project with code that a container can read, whatever umask the tests run with."""
    for path in (platform / "deploy", platform / "deploy" / "serve.py"):
        path.chmod(0o755)
    return platform


@pytest.fixture
def up(platform, run_script, docker):
    """Return a function that runs the script with the stand-in for Docker."""

    def up(**variables):
        return run_script(platform, "up", PATH=docker.path, **variables)

    return up


@pytest.fixture
def fails(up, docker):
    """Return a function that runs the script, which fails, and returns the message."""

    def fails(**variables):
        run = up(**variables)
        assert (run.returncode, "Traceback" in run.stderr) == (1, False)
        return run.stderr

    return fails


@pytest.fixture
def services(platform):
    """Answer as both services do, at the addresses in `.env`; return what to change about it."""
    behaviour = {"status": 200, "first": [], "asked": []}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            behaviour["asked"].append((self.path, self.headers["Authorization"].split()[0]))
            first = behaviour["first"]
            self.send_response(first.pop() if first else behaviour["status"])
            self.end_headers()
            self.wfile.write(b'{"access_token": "a-token"}')

        do_POST = do_GET

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = platform / ".env"
        address = f"http://127.0.0.1:{server.server_port}"
        text = re.sub(r"(?<=_URL=)http.*", address, path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
        yield behaviour
        server.shutdown()


def secrets_of(project):
    """Return the values in `.env` that nobody may see."""
    text = (project / ".env").read_text(encoding="utf-8")
    return re.findall(r"^\w+(?:SECRET|PASSWORD|_KEY)=(.+)$", text, re.MULTILINE)


def publishing(port, service="orders"):
    """Return what ``docker compose config`` says of a service that publishes a port."""
    ports = [{"host_ip": "127.0.0.1", "target": 8000, "published": str(port)}]
    return json.dumps({"services": {service: {"ports": ports}, "postgres": {}}})


# --- When all is well ----------------------------------------------------------------------------


def test_it_starts_waits_and_uses_a_token(up, docker, services):
    run = up()
    assert (run.returncode, run.stderr) == (0, "")
    assert "compose up --detach --wait --build" in docker.asked
    assert services["asked"] == [("/o/token/", "Basic"), ("/api/whoami/", "Bearer")]


def test_a_service_that_does_not_know_yet_is_asked_again(up, services):
    services["first"] = [503, 503, 200]
    assert up().returncode == 0
    assert [path for path, _ in services["asked"]] == ["/o/token/", *["/api/whoami/"] * 3]


def test_each_resource_server_that_trusts_the_authorization_server_is_asked(
    up, platform, run_script, services
):
    run_script(platform, "add_resource_server", "billing", "partners")
    path = platform / ".env"
    text = path.read_text(encoding="utf-8") + "PARTNERS_ISSUERS=okta\n"
    path.write_text(re.sub(r"(?<=_URL=)http.*", address_of(text), text), encoding="utf-8")
    assert up().returncode == 0
    assert [path for path, _ in services["asked"]] == ["/o/token/", *["/api/whoami/"] * 2]


def address_of(env):
    """Return where both services answer."""
    return re.search(r"AUTHORIZATION_SERVER_URL=(.*)", env)[1]


@pytest.fixture
def started(docker, platform):
    """Return a function that lets a container of orders have been started some seconds ago."""
    files = {"ORDERS_SECRET_KEY": {"file": str(platform / ".secrets" / "ORDERS_SECRET_KEY")}}
    orders = {"secrets": [{"source": "ORDERS_SECRET_KEY", "target": "ORDERS_SECRET_KEY"}]}
    project = {"services": {"orders": orders, "postgres": {}}, "secrets": files}
    docker.answer("compose config", output=json.dumps(project))

    def started(seconds, **container):
        then = datetime.now(UTC) - timedelta(seconds=seconds)
        docker.containers({"Service": "orders"} | container, {"Service": "postgres"})
        docker.answer("inspect", output=f"{then:%Y-%m-%dT%H:%M:%S.%f}789Z\n")

    return started


def test_a_container_is_started_anew_when_a_secret_of_its_own_has_changed(
    up, docker, services, started
):
    started(3600)
    run = up()
    assert "orders: started anew, with what has changed in .secrets/" in run.stdout
    assert "compose rm --force --stop orders" in docker.asked
    assert docker.asked[-1] == "compose up --detach --wait --build"


@pytest.mark.parametrize(
    ("seconds", "container"), [(-60, {}), (3600, {"State": "exited"})], ids=["newer", "ended"]
)
def test_no_other_container_is(up, docker, services, started, seconds, container):
    started(seconds, **container)
    assert up().returncode == 0
    assert [asked for asked in docker.asked if asked.startswith("compose rm")] == []


def test_it_says_where_everything_is_and_how_long_that_took(up, services):
    output = up().stdout
    assert re.search(r"\d+\.\d s from `docker compose up` to the first accepted token", output)
    words = "/accounts/login/", "/api/docs/", "make smoke", "make logs", "make down"
    assert [word for word in words if word not in output] == []


def test_no_secret_is_printed(up, platform, services):
    run = up()
    values = secrets_of(platform)
    assert len(values) == 5
    assert [value for value in values if value in run.stdout + run.stderr] == []


def test_no_secret_is_in_a_command(up, platform, docker, services):
    up()
    values = secrets_of(platform)
    assert [value for value in values if value in "\n".join(docker.asked)] == []


def test_a_missing_env_is_made(up, platform):
    (platform / ".env").unlink()
    up()
    assert (platform / ".env").exists()


def test_a_project_whose_hooks_were_refused_gets_its_resource_servers(
    bare_project, run_script, docker
):
    docker.answer("compose up", code=1)
    run_script(bare_project, "up", PATH=docker.path)
    names = {path.parent.name for path in bare_project.glob("resource_servers/*/manage.py")}
    assert names == {"orders", "inventory"}


def test_in_production_there_is_no_demo_machine_to_ask_as(up, platform, services):
    path = platform / ".env"
    text = path.read_text("utf-8").replace("ENVIRONMENT=development", "ENVIRONMENT=production")
    path.write_text(text, encoding="utf-8")
    assert (up().returncode, services["asked"]) == (0, [])


def test_a_port_that_its_own_containers_publish_is_not_in_use(up, docker, services):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        docker.answer("compose config", output=publishing(port))
        docker.containers({"Service": "orders", "Publishers": [{"PublishedPort": port}]})
        assert up().returncode == 0


# --- What is in the way --------------------------------------------------------------------------


def test_no_docker_is_one_sentence(up, fails, docker):
    (docker.folder / "docker").unlink()
    assert fails() == "Docker is not installed: https://docs.docker.com/get-docker/ says how.\n"


def test_no_compose_is_one_sentence(fails, docker):
    docker.answer("compose version", code=1, error="docker: 'compose' is not a docker command.\n")
    assert fails() == "Docker has no Compose: https://docs.docker.com/compose/install/ says how.\n"


@pytest.mark.parametrize(
    ("command", "version", "words"),
    [
        ("compose version", "v2.25.0\n", "Compose is v2.25.0, and 2.26 is the least"),
        ("version", "24.0.7\n", "Docker Engine is 24.0.7, and 25.0 is the least"),
    ],
)
def test_an_old_version_is_refused(fails, docker, command, version, words):
    docker.answer(command, output=version)
    assert fails().startswith(words)


@pytest.mark.parametrize(
    ("error", "command"),
    [
        ("Cannot connect to the Docker daemon. Is it running?\n", "sudo systemctl start docker"),
        ("permission denied while trying to connect\n", "sudo usermod --append --groups docker"),
    ],
)
def test_an_engine_that_does_not_answer_is_one_sentence(fails, docker, error, command):
    docker.answer("version", code=1, error=error)
    message = fails()
    assert (command in message, message.count("\n")) == (True, 1)


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="there is no file system without room")
def test_too_little_disk_is_named_with_what_to_delete(fails, docker):
    docker.answer("info", output="/proc\n")
    assert fails().startswith("0.0 GiB are free in /proc, and 2 are needed: `docker image prune`")


def test_a_port_in_use_is_named_with_the_lines_to_change(fails, docker):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        docker.answer("compose config", output=publishing(port))
        message = fails(ORDERS_PORT=str(port), ORDERS_URL=f"http://localhost:{port}")
    assert message == (
        f"Port {port} of orders: Address already in use. Stop what uses it, or change ORDERS_PORT "
        "and ORDERS_URL in .env.\n"
    )


@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may listen everywhere")
def test_a_port_that_only_docker_may_listen_on_is_left_to_it(up, docker, services):
    docker.answer("compose config", output=publishing(443, "proxy"))
    assert up().returncode == 0


def test_code_that_a_container_cannot_read_is_named_with_the_command(fails, platform):
    (platform / "deploy").chmod(0o700)
    assert "chmod -R go+rX authorization_server deploy packages resource_servers" in fails()


def test_a_broken_compose_file_is_one_sentence(fails, docker):
    docker.answer("compose config", code=15, error="services.orders: additional property x\n")
    assert fails() == (
        "`docker compose config` has failed: services.orders: additional property x.\n"
    )


@pytest.mark.parametrize("answer", ["info", "compose config"])
def test_nothing_is_started_when_something_is_in_the_way(fails, docker, answer):
    docker.answer("info", output="/proc\n")
    docker.answer("compose config", code=1, error="broken\n")
    fails()
    assert [words for words in docker.asked if words.startswith("compose up")] == []


# --- When it fails -------------------------------------------------------------------------------


def test_what_has_failed_is_named_and_its_reason_is_the_last_line(fails, docker):
    docker.containers({"ID": "7", "Service": "orders-migrate", "State": "exited", "ExitCode": 1})
    docker.answer("logs", error="one\nthe disk is full\n")
    docker.answer("compose up", code=1)
    assert fails() == "\norders-migrate: failed.\none\nthe disk is full\n"


def test_services_that_say_the_same_are_named_together(fails, docker):
    ended = {"State": "exited", "ExitCode": 1}
    docker.containers({"Service": "a", **ended}, {"Service": "b", **ended})
    docker.answer("logs", output="refused\n")
    docker.answer("compose up", code=1)
    assert fails() == "\na, b: failed.\nrefused\n"


@pytest.mark.parametrize("state", [{"Health": "unhealthy"}, {"State": "restarting"}])
def test_a_service_that_is_not_well_has_failed(fails, docker, state):
    docker.containers({"Service": "orders", **state}, {"Service": "done", "State": "exited"})
    docker.answer("compose up", code=1)
    assert fails().startswith("\norders: failed.\n")


def test_a_failure_without_a_container_is_said_to_stand_above(fails, docker):
    docker.answer("compose up", code=1, error="the build has failed\n")
    assert fails() == "the build has failed\n`docker compose up` has failed: see above.\n"


def test_a_token_that_is_refused_is_one_sentence(fails, services):
    services["status"] = 401
    message = fails()
    assert (message.count("\n"), "HTTP Error 401" in message) == (1, True)


def test_a_python_before_3_11_is_refused_in_one_sentence(fails, old_python):
    assert fails(**old_python).count("\n") == 1
