"""`scripts/run.py` prepares and starts the services, and reports each error in one sentence.

The services are replaced by small programs; test_project.py runs the real ones.
"""

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest
from stack import free_port

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the services need a Unix")

WAIT_SECONDS = 120
# Logs the step and the environment. A file `fails-STEP` lets the step fail with its text.
MANAGE = """
import json, os, pathlib, sys
step = sys.argv[1]
with open(os.environ["LOG"], "a") as log:
    variables = dict(os.environ) | {"pid": os.getpid()}
    print(json.dumps([pathlib.Path.cwd().name, step, variables]), file=log)
fails = pathlib.Path("fails-" + step)
if fails.exists():
    sys.exit(fails.read_text())
print("output of a successful step")
"""
WAIT_FOR_PORT = """
import socket, time
while socket.socket().connect_ex(("127.0.0.1", int(os.environ["ORDERS_PORT"]))):
    time.sleep(0.05)
"""
SERVE = "{name}: python -m http.server --bind 127.0.0.1 ${prefix}_PORT\n"


def answers(port):
    """Return whether an HTTP server answers on `port`."""
    with (
        suppress(OSError),  # URLError is a subclass
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response,
    ):
        return response.status == 200
    return False


def wait_until(condition):
    """Return when `condition` is true; fail after WAIT_SECONDS."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def ports():
    """Return a free port for each service."""
    return {"AUTHORIZATION_SERVER": free_port(), "ORDERS": free_port()}


def addresses(ports):
    """Return the variables that give services these ports."""
    urls = {f"{prefix}_URL": f"http://localhost:{port}" for prefix, port in ports.items()}
    return {f"{prefix}_PORT": str(port) for prefix, port in ports.items()} | urls


@pytest.fixture
def platform(bare_project, run_script, ports):
    """Return a project with the resource server orders, whose services are small programs."""
    run_script(bare_project, "add_resource_server", "orders")
    for folder in ("authorization_server", "resource_servers/orders"):
        (bare_project / folder / "manage.py").write_text(MANAGE, encoding="utf-8")
    (bare_project / "Procfile").write_text(
        SERVE.format(name="authorization-server", prefix="AUTHORIZATION_SERVER")
        + SERVE.format(name="orders", prefix="ORDERS"),
        encoding="utf-8",
    )
    lines = [f"{name}={value}\n" for name, value in addresses(ports).items()]
    (bare_project / ".env").write_text("".join(lines), encoding="utf-8")
    return bare_project


@pytest.fixture
def log(tmp_path):
    """Return the path of the log of the steps."""
    return tmp_path / "log"


@pytest.fixture
def fails(platform, run_script, log):
    """Return a function that runs the script, expects it to fail, and returns its stderr."""

    def fails(**options):
        run = run_script(platform, "run", LOG=str(log), **options)
        assert (run.returncode, "Traceback" in run.stderr) == (1, False)
        return run.stderr

    return fails


@pytest.fixture
def start(platform, clean_environment, log):
    """Return a function that starts the script as a process, which ends with the test."""
    processes = []

    def start(**variables):
        process = subprocess.Popen(
            [sys.executable, "-B", "scripts/run.py"],
            cwd=platform,
            env=clean_environment | {"LOG": str(log)} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
            # Children of a shell that runs in the background ignore SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=WAIT_SECONDS)


@pytest.fixture
def running(start, ports):
    """Return the process of the script when every service answers."""
    process = start()
    wait_until(lambda: all(map(answers, ports.values())))
    return process


def steps_in(log, folder):
    """Return the steps of the service in `folder`, and the variables of the last log entry."""
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [step for where, step, _ in entries if where == folder], entries[-1][2]


# --- Preparing and starting ----------------------------------------------------------------------


def test_the_authorization_server_is_prepared_in_order(running, log):
    steps, _ = steps_in(log, "authorization_server")
    assert steps == [
        *("ensure_signing_key", "migrate", "makemigrations", "ensure_clients", "ensure_demo_user")
    ]


def test_the_steps_of_a_service_run_in_one_process(running, log):
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    processes = [variables["pid"] for where, _, variables in entries if where != "orders"]
    assert (len(processes), len(set(processes))) == (5, 1)


def test_each_resource_server_is_migrated(running, log):
    assert steps_in(log, "orders")[0] == ["migrate", "makemigrations"]


def test_a_missing_migration_is_reported_with_the_command_that_makes_it(start, platform, ports):
    (platform / "resource_servers" / "orders" / "fails-makemigrations").touch()
    process = start()
    wait_until(lambda: all(map(answers, ports.values())))
    process.terminate()
    output = process.communicate(timeout=WAIT_SECONDS)[0]
    # Lines with `|` are of the services; those of a traceback name the folder of this test.
    own = [line for line in output.splitlines() if " | " not in line]
    assert [line for line in own if "migration" in line] == [
        f"A model has changed, but has no migration: run `{sys.executable} "
        "resource_servers/orders/manage.py makemigrations`, then `make run`."
    ]


def test_each_step_is_printed_without_its_output(running):
    running.terminate()
    output = running.communicate(timeout=WAIT_SECONDS)[0]
    steps = "orders: migrate\n", ", ensure_clients, ensure_demo_user\n"
    assert [step for step in steps if step not in output] == []
    assert "output of a successful step" not in output


def test_the_addresses_are_printed_when_every_service_answers(start, platform, ports):
    urls = [f"http://localhost:{port}" for port in ports.values()]
    for name in "authorization-server", "orders":
        wait = f"{name}: python -c \"import time; time.sleep(1); print('{name} starts')\" && "
        text = (platform / "Procfile").read_text("utf-8").replace(f"{name}: ", wait)
        (platform / "Procfile").write_text(text, encoding="utf-8")
    lines = []
    for line in start().stdout:
        lines.append(line.strip())
        if lines[-1].startswith("Ctrl-C"):
            break
    first = min(i for i, line in enumerate(lines) if f"{urls[0]}/" in line)
    starts = [i for i, line in enumerate(lines) if line.endswith("starts")]
    assert (len(starts), max(starts) < first) == (2, True)
    assert f"{urls[1]}/api/docs/" in "\n".join(lines)


def test_no_secret_is_printed(running, platform):
    running.terminate()
    output = running.communicate(timeout=WAIT_SECONDS)[0]
    lines = (platform / ".env").read_text(encoding="utf-8").splitlines()
    secrets = [line.partition("=")[2] for line in lines if "SECRET" in line or "PASSWORD=" in line]
    assert [secret for secret in secrets if secret and secret in output] == []


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_stops_every_service(running, ports, sent, code):
    running.send_signal(sent)
    running.communicate(timeout=WAIT_SECONDS)
    assert (running.returncode, [port for port in ports.values() if answers(port)]) == (code, [])


def test_ctrl_c_while_preparing_prints_no_traceback(start, platform, log):
    manage = platform / "authorization_server" / "manage.py"
    manage.write_text(f"{MANAGE}\nimport time; time.sleep({WAIT_SECONDS})", encoding="utf-8")
    process = start()
    # Wait for the step that sleeps: before it, the signal may find no process to stop.
    wait_until(lambda: log.exists() and "authorization_server" in log.read_text(encoding="utf-8"))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output = process.communicate(timeout=WAIT_SECONDS)[0]
    assert (process.returncode, "Traceback" in output) == (0, False)


@pytest.fixture
def in_terminal(platform, clean_environment):
    """Return a function that runs a command in a shell with a terminal, and returns its output.

    It presses Ctrl-C as soon as `awaited` is printed.
    """

    def in_terminal(command, awaited, **variables):
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(platform)
            environment = clean_environment | {"PS1": ""} | variables
            shell = ["bash", "--norc", "-ic", f"{command}; echo code=$?"]
            os.execvpe(shell[0], shell, environment)
        output = b""
        with suppress(OSError):  # the end of the output
            while piece := os.read(terminal, 4096):
                output += piece
                if awaited.encode() in output:
                    os.write(terminal, b"\x03")
                    awaited = "\0"
        os.waitpid(process, 0)
        os.close(terminal)
        return output.decode()

    return in_terminal


@pytest.mark.parametrize("awaited", ["Preparing 2 services", "Ctrl-C"])
def test_make_is_silent_about_ctrl_c(in_terminal, platform, log, awaited):
    (platform / "Makefile").write_text(f"run:\n\t@{sys.executable} -B scripts/run.py\n", "utf-8")
    output = in_terminal("make run", awaited, LOG=str(log))
    after = output.rpartition("^C")[2]
    assert after.rstrip().endswith("code=0")
    # Lines with `|` are of the services, whose server tells of connections that were reset.
    own = "\n".join(line for line in after.splitlines() if "|" not in line)
    assert [word for word in ("Error", "Interrupt", "Traceback") if word in own] == []


def test_names_of_services_have_colors_in_a_terminal(in_terminal, platform, log):
    (platform / "Procfile").write_text("a: echo said\n", encoding="utf-8")
    command = f"{sys.executable} -B scripts/run.py"
    assert "\x1b[36ma |\x1b[0m said" in in_terminal(command, "\0", LOG=str(log))
    assert " a | said" in in_terminal(command, "\0", LOG=str(log), NO_COLOR="1")


@pytest.mark.parametrize(("command", "code"), [("exit 7", 7), ("exit 0", 1)])
def test_a_service_that_ends_stops_the_others(start, platform, ports, command, code):
    with (platform / "Procfile").open("a", encoding="utf-8") as procfile:
        procfile.write(f"short: {command}\n")
    process = start()
    process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, [port for port in ports.values() if answers(port)]) == (code, [])


def test_programs_of_the_running_python_are_on_the_path(start, platform):
    (platform / "Procfile").write_text("which: command -v python\n", encoding="utf-8")
    output = start(PATH=os.defpath).communicate(timeout=WAIT_SECONDS)[0]
    assert f"| {os.path.dirname(sys.executable)}/python\n" in output


def test_the_environment_has_precedence_over_env(start, ports, log):
    ports["ORDERS"] = free_port()
    start(**addresses(ports))
    wait_until(lambda: all(map(answers, ports.values())))
    assert steps_in(log, "orders")[1]["ORDERS_PORT"] == str(ports["ORDERS"])


def test_the_variables_of_env_reach_every_step(running, log):
    assert steps_in(log, "orders")[1]["DEBUG"] == "false"


def test_relative_paths_are_resolved_against_the_project(start, platform, log):
    (platform / ".env").rename(platform / "other.env")
    (platform / "Procfile").write_text("path: echo path=$ENV_FILE.\n", encoding="utf-8")
    output = start(ENV_FILE="other.env", DATA_DIR="data").communicate(timeout=WAIT_SECONDS)[0]
    assert f"| path={platform / 'other.env'}.\n" in output
    assert steps_in(log, "orders")[1]["DATA_DIR"] == str(platform / "data")
    assert not (platform / ".env").exists()


def test_a_process_is_stopped_before_its_children(start, platform, tmp_path, ports):
    """A server would report the exit of a worker as an error."""
    port = free_port()
    program = f"""
import signal, subprocess, sys
worker = subprocess.Popen([sys.executable, "-m", "http.server", "{port}"])
def stop(*_):
    open({str(tmp_path / "worker")!r}, "w").write(str(worker.poll()))
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
worker.wait()
"""
    (tmp_path / "server.py").write_text(program, encoding="utf-8")
    with (platform / "Procfile").open("a", encoding="utf-8") as procfile:
        procfile.write(f"server: exec python {tmp_path / 'server.py'}\n")
    process = start()
    wait_until(lambda: all(map(answers, [port, *ports.values()])))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT_SECONDS)
    assert ((tmp_path / "worker").read_text(), answers(port)) == ("None", False)


def test_a_process_that_does_not_stop_is_killed(start, platform, ports):
    with (platform / "Procfile").open("a", encoding="utf-8") as procfile:
        procfile.write("stubborn: trap '' TERM; echo deaf; while :; do sleep 1; done\n")
    process = start()
    for line in process.stdout:
        if line.endswith("| deaf\n"):
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0


@pytest.mark.parametrize(("sent", "lines"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (None, 1)])
def test_a_signal_ends_the_output(start, platform, sent, lines):
    noisy = "trap 'echo the other one is away; exit' TERM; echo ready; while :; do sleep 0.1; done"
    ends = "sleep 600" if sent else "sleep 2"
    (platform / "Procfile").write_text(f"noisy: {noisy}\nshort: {ends}\n", encoding="utf-8")
    process = start()
    while not next(process.stdout).endswith("| ready\n"):
        pass
    if sent:
        process.send_signal(sent)
    assert process.communicate(timeout=WAIT_SECONDS)[0].count("away") == lines


def test_a_process_that_ends_is_named_with_its_code(start, platform):
    (platform / "Procfile").write_text("short: exit 7\n", encoding="utf-8")
    output = start().communicate(timeout=WAIT_SECONDS)[0]
    assert output.splitlines()[-1] == "short has ended (exit code 7): stopping."


def test_a_last_line_without_a_line_break_is_printed(start, platform):
    (platform / "Procfile").write_text("short: printf unfinished\n", encoding="utf-8")
    assert "short | unfinished\n" in start().communicate(timeout=WAIT_SECONDS)[0]


def test_the_variable_port_is_not_set(start, platform):
    # Other programs that read a Procfile set PORT.
    (platform / "Procfile").write_text("port: echo port=$PORT.\n", encoding="utf-8")
    assert "| port=.\n" in start(PORT="").communicate(timeout=WAIT_SECONDS)[0]


def test_missing_variables_are_added_to_env(running, platform):
    assert "\nORDERS_SECRET_KEY=" in (platform / ".env").read_text(encoding="utf-8")


def test_a_missing_env_is_created(start, platform):
    (platform / ".env").unlink()
    (platform / "Procfile").write_text("end: exit 1\n", encoding="utf-8")
    free = {prefix: free_port() for prefix in ("AUTHORIZATION_SERVER", "ORDERS")}
    start(**addresses(free)).communicate(timeout=WAIT_SECONDS)
    assert "\nDEMO_PASSWORD=" in (platform / ".env").read_text(encoding="utf-8")


def test_resource_servers_are_added_to_a_project_whose_hooks_were_refused(
    bare_project, run_script, log
):
    for folder in ("authorization_server", "scripts/resource_server_skeleton"):
        (bare_project / folder / "manage.py").write_text(MANAGE, encoding="utf-8")
    (bare_project / "authorization_server" / "fails-ensure_signing_key").touch()
    prefixes = "AUTHORIZATION_SERVER", "ORDERS", "INVENTORY"
    free = addresses({prefix: free_port() for prefix in prefixes})
    run_script(bare_project, "run", LOG=str(log), **free)
    found = [steps_in(log, folder)[0] for folder in ("orders", "inventory")]
    assert found == [["migrate", "makemigrations"]] * 2


# --- Secrets of each process ----------------------------------------------------------------------

# Variables of .env, and the steps and processes that get them.
SECRETS = {
    "AUTHORIZATION_SERVER_SECRET_KEY": {"server", "register"},
    "AUTHORIZATION_SERVER_DATABASE_URL": {"server", "register"},
    "AUTHORIZATION_SERVER_AUDIT_KEY": {"server", "register"},
    "OIDC_RSA_PRIVATE_KEY": {"server", "register"},
    "DEMO_PASSWORD": {"register"},
    "DEMO_MACHINE_CLIENT_SECRET": {"register"},
    "ORDERS_SECRET_KEY": {"orders"},
    "ORDERS_SECRET_KEY_FILE": {"orders"},
    "ORDERS_INTROSPECTION_CLIENT_SECRET": {"register"},
    "ORDERS_INTROSPECTION_CLIENT_SECRET_FILE": {"orders"},
    "ORDERS_INTROSPECTION_CLIENT_SECRET_FALLBACK": {"register"},
    "ORDERS_DATABASE_URL": {"orders"},
    "ORDERS_CACHE_URL": {"orders"},
    "ORDERS_PAYMENT_TOKEN": {"orders"},
    "ORDERS_HISTORY_SECRET_KEY": {"orders-history"},
    "ORDERS_HISTORY_INTROSPECTION_CLIENT_SECRET": {"register"},
    "ORDERS_HISTORY_INTROSPECTION_CLIENT_SECRET_FILE": {"orders-history"},
    "ORDERS_ISSUERS": {"orders"},
    "OKTA_CLIENT_SECRET": {"orders"},
    "ORDERS_PORT": {"server", "register", "orders", "orders-history", "other"},
    "ORDERS_URL": {"server", "register", "orders", "orders-history", "other"},
    "ORDERS_INTROSPECTION_CLIENT_ID": {"server", "register", "orders", "orders-history", "other"},
    "LOG_LEVEL": {"server", "register", "orders", "orders-history", "other"},
}
PROCESSES = {
    "server": "cd authorization_server && exec",
    "orders": "cd resource_servers/orders && exec",
    "orders-history": "exec",
    "other": "exec",
}


@pytest.fixture
def received(platform, run_script, tmp_path, log):
    """Return the environment of each process, and of the step that registers clients."""
    run_script(platform, "add_resource_server", "orders-history")
    manage = platform / "resource_servers" / "orders-history" / "manage.py"
    manage.write_text(MANAGE, encoding="utf-8")
    # `make run` passes the secret in a file that it writes.
    given = [name for name in SECRETS if not name.endswith("CLIENT_SECRET_FILE")]
    values = dict.fromkeys(given, "value") | {"ORDERS_ISSUERS": "okta"}
    prefixes = "AUTHORIZATION_SERVER", "ORDERS", "ORDERS_HISTORY"
    values |= addresses({prefix: free_port() for prefix in prefixes})
    lines = [f"{name}={value}\n" for name, value in values.items()]
    (platform / ".env").write_text("".join(lines), encoding="utf-8")
    write = f"import json, os; print(json.dumps(dict(os.environ)), file=open('{tmp_path}/%s', 'w'))"
    procfile = ""
    for name, start in PROCESSES.items():
        end = " resource_servers/orders-history/worker.py" if name == "orders-history" else ""
        # The others stop when one of them ends.
        procfile += (
            f'{name}: {start} python -c "{write % name}; import time; time.sleep(60)"{end}\n'
        )
    all_written = " && ".join(f"test -s {tmp_path}/{name}" for name in PROCESSES)
    procfile += f"end: until {all_written}; do sleep 0.1; done\n"
    (platform / "Procfile").write_text(procfile, encoding="utf-8")
    run_script(platform, "run", LOG=str(log))
    found = {name: json.loads((tmp_path / name).read_text("utf-8")) for name in PROCESSES}
    steps = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return found | {"register": next(env for _, step, env in steps if step == "ensure_clients")}


def test_no_process_gets_the_secrets_of_another_service(received):
    found = {name: {one for one in received if name in received[one]} for name in SECRETS}
    assert found == SECRETS


def test_no_service_reads_the_other_secrets_from_env(received):
    files = {name: env.get("ENV_FILE") for name, env in received.items()}
    assert files == dict.fromkeys(received, "") | {"other": None}


# --- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "service"), [("AUTHORIZATION_SERVER", "authorization-server"), ("ORDERS", "orders")]
)
def test_a_port_in_use_is_reported_with_the_variables_to_change(fails, ports, log, prefix, service):
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports[prefix]))
        other.listen()
        message = fails()
    assert message == (
        f"Port {ports[prefix]} of {service}: Address already in use. Stop what uses it, or change "
        f"{prefix}_PORT and {prefix}_URL in .env.\n"
    )
    assert not log.exists()


def test_each_port_in_use_has_a_line(fails, ports):
    with socket.socket() as one, socket.socket() as other:
        for listener, port in zip((one, other), ports.values(), strict=True):
            listener.bind(("127.0.0.1", port))
            listener.listen()
        assert fails().count("\n") == 2


def test_a_port_that_is_taken_during_the_steps_is_reported(start, platform, ports, log):
    manage = platform / "authorization_server" / "manage.py"
    manage.write_text(MANAGE + WAIT_FOR_PORT, encoding="utf-8")
    process = start()
    wait_until(log.exists)
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports["ORDERS"]))
        other.listen()
        output = process.communicate(timeout=WAIT_SECONDS)[0]
    assert (process.returncode, f"Port {ports['ORDERS']} of orders" in output) == (1, True)


def test_one_port_for_two_services_is_refused(fails, ports):
    message = fails(ORDERS_PORT=str(ports["AUTHORIZATION_SERVER"]))
    assert message.startswith(f"Port {ports['AUTHORIZATION_SERVER']} of orders: ")


@pytest.mark.parametrize("port", ["", "http", "65536", "-1"])
def test_an_invalid_port_is_refused(fails, port):
    assert fails(ORDERS_PORT=port) == (
        f"Port {port} of orders: not a number from 1 to 65535. Change ORDERS_PORT and ORDERS_URL "
        "in .env.\n"
    )


@pytest.mark.parametrize("url", ["http://localhost:{}", "http://127.0.0.1:{}/", "http://[::1]:{}"])
def test_a_port_that_is_not_that_of_the_url_is_refused(fails, ports, url):
    port = ports["ORDERS"]
    assert fails(ORDERS_URL=url.format(port + 1)) == (
        f"ORDERS_PORT is {port}, but ORDERS_URL has the port {port + 1}: set both to the same port "
        "in .env.\n"
    )


def test_the_url_may_be_that_of_a_proxy(start, ports):
    start(ORDERS_URL="https://localhost:8443", AUTHORIZATION_SERVER_URL="http://example.test")
    wait_until(lambda: all(map(answers, ports.values())))


def test_a_failed_step_is_reported_after_its_output(fails, platform):
    fault = platform / "resource_servers" / "orders" / "fails-migrate"
    fault.write_text("the disk is full", encoding="utf-8")
    assert (
        fails()
        == "the disk is full\n`manage.py migrate --no-input` failed for orders: see above.\n"
    )


def test_what_several_services_say_is_printed_once(fails, platform):
    for folder, step in (
        ("authorization_server", "ensure_signing_key"),
        (
            "resource_servers/orders",
            "migrate",
        ),
    ):
        (platform / folder / f"fails-{step}").write_text("DEBUG is wrong", encoding="utf-8")
    assert fails() == (
        "DEBUG is wrong\n"
        "`manage.py ensure_signing_key` failed for authorization-server: see above.\n"
        "`manage.py migrate --no-input` failed for orders: see above.\n"
    )


def test_a_step_that_raises_is_reported_with_its_traceback(platform, run_script, log):
    fault = platform / "resource_servers" / "orders" / "manage.py"
    fault.write_text("1 / 0", encoding="utf-8")
    lines = run_script(platform, "run", LOG=str(log)).stderr.splitlines()
    assert lines[-2:] == [
        "ZeroDivisionError: division by zero",
        "`manage.py migrate --no-input` failed for orders: see above.",
    ]


def test_no_step_follows_one_that_has_failed(fails, platform, log):
    (platform / "authorization_server" / "fails-migrate").touch()
    fails()
    assert steps_in(log, "authorization_server")[0] == ["ensure_signing_key", "migrate"]


def test_no_service_is_started_after_a_failed_step(fails, platform, tmp_path):
    (platform / "Procfile").write_text(f"end: touch {tmp_path / 'started'}\n", encoding="utf-8")
    (platform / "authorization_server" / "fails-ensure_clients").touch()
    fails()
    assert not (tmp_path / "started").exists()


def test_missing_dependencies_are_reported_in_one_sentence(fails, platform):
    for folder in "authorization_server", "resource_servers/orders":
        missing = "raise ModuleNotFoundError('No module named service_kit', name='service_kit')"
        (platform / folder / "manage.py").write_text(missing, encoding="utf-8")
    first, *others = fails().splitlines()
    assert first == "The dependencies are not installed: run `make install`."
    assert len(others) == 2


def test_a_placeholder_in_env_is_reported_in_one_sentence(fails, platform):
    (platform / ".env").write_text("DEMO_PASSWORD=change-me\n", encoding="utf-8")
    assert fails().count("\n") == 1


def test_a_project_without_resource_servers_names_the_command_that_adds_one(fails, platform):
    shutil.rmtree(platform / "resource_servers" / "orders")
    (platform / "project.toml").write_text('name = "Shop"\n', encoding="utf-8")
    assert "make resource-server name=" in fails()


def test_a_python_before_3_11_is_refused_in_one_sentence(fails, old_python):
    assert fails(**old_python).count("\n") == 1
