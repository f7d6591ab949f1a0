"""Prepare every service and start them all: ``make run``. Ctrl-C stops them.

honcho starts the processes of Procfile. It is used as a library, because its command line lets
`.env` take precedence over the environment and sets PORT in every process.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import add_resource_server
import init_env
from _project import (
    AUTHORIZATION_SERVER,
    NOT_INSTALLED,
    ROOT,
    Service,
    env_file,
    environment,
    read_text,
    resource_servers,
    shown,
)
from _secret_files import own_environment

try:
    from honcho.compat import ProcessManager  # type: ignore[import-untyped]
    from honcho.environ import parse_procfile  # type: ignore[import-untyped]
    from honcho.manager import Manager  # type: ignore[import-untyped]
except ImportError:
    sys.exit(NOT_INSTALLED)

# The steps of one service run in order; the services are prepared concurrently.
RESOURCE_SERVER_STEPS = ["migrate --no-input"]
AUTHORIZATION_SERVER_STEPS = [
    "ensure_signing_key",
    "migrate --no-input",
    "ensure_clients",
    "ensure_demo_user",
]
REGISTRATION_STEPS = ("ensure_clients", "ensure_demo_user")
INTERRUPTED = 130


def main() -> None:
    """Prepare and start the services, and wait until they have stopped."""
    if os.name == "nt":
        sys.exit("The services need a Unix: use WSL, or `docker compose up`.")
    if not resource_servers():
        add_resource_server.add_first()
    init_env.main()

    services = [AUTHORIZATION_SERVER, *resource_servers()]
    variables = environment_of_services()
    check_ports(services, variables)
    prepare(services, variables)
    # A second time, because preparing took a while and Granian would share a port that is in use.
    check_ports(services, variables)
    sys.exit(start(services, variables))


def environment_of_services() -> dict[str, str]:
    """Return the variables of all processes, whatever folder they run in."""
    variables = environment()
    for name in ("ENV_FILE", "DATA_DIR"):
        if variables.get(name):
            variables[name] = str(Path(variables[name]).absolute())
    # `python` is this one, also without an activated environment.
    programs = str(Path(sys.executable).parent)
    variables["PATH"] = os.pathsep.join([programs, variables.get("PATH", os.defpath)])
    variables["PYTHONUNBUFFERED"] = "1"
    return variables


def environment_of(
    service: Service | None, variables: dict[str, str], step: str = ""
) -> dict[str, str]:
    """Return the variables of one process: no service gets the secrets of another one."""
    own = own_environment(service, variables, registers=step in REGISTRATION_STEPS)
    # A service would read the other secrets in `.env` itself.
    return own | {"ENV_FILE": ""} if service else own


def check_ports(services: list[Service], variables: dict[str, str]) -> None:
    """Exit with one line for each port that is in use, or that two services share."""
    with ExitStack() as listeners:
        found = [problem_with_port(service, variables, listeners) for service in services]
    if problems := [problem for problem in found if problem]:
        sys.exit("\n".join(problems))


def problem_with_port(
    service: Service, variables: dict[str, str], listeners: ExitStack
) -> str | None:
    """Listen on the port of a service until `listeners` is closed; return why that fails."""
    name, port = f"{service.prefix}_PORT", variables.get(f"{service.prefix}_PORT", "")
    try:
        listener = listeners.enter_context(socket.socket())
        # Like servers: connections that were closed a moment ago do not occupy the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        listener.listen()
    except (OSError, ValueError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a number from 1 to 65535"
        return (
            f"Port {port} of {service.name}: {reason}. Stop what uses it, or change {name} and "
            f"{service.prefix}_URL in {shown(env_file())}."
        )
    return None


def prepare(services: list[Service], variables: dict[str, str]) -> None:
    """Run the steps of all services; exit with the output of those that failed."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = list(filter(None, pool.map(partial(run_steps, variables=variables), services)))
    if failures:
        sys.exit("\n".join(failures))


def run_steps(service: Service, variables: dict[str, str]) -> str | None:
    """Run the steps of one service up to the first failure; return its output and name."""
    authorizes = service == AUTHORIZATION_SERVER
    for step in AUTHORIZATION_SERVER_STEPS if authorizes else RESOURCE_SERVER_STEPS:
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "manage.py", *step.split()],
            cwd=service.folder,
            env=environment_of(service, variables, step),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode:
            return (
                f"{done.stdout.strip()}\n`manage.py {step}` failed for {service.name}: see above."
            )
        print(f"{time.monotonic() - start:5.1f} s  {service.name}: {step}", flush=True)
    return None


class LeadersFirst(ProcessManager):  # type: ignore[misc]
    """Sends SIGTERM to a server before its workers.

    honcho sends it to the whole process group. A server that receives it after its worker has ended
    reports the exit of the worker as an error.
    """

    def terminate(self, pid: int) -> None:
        """Send SIGTERM to the process that honcho has started, a second later to its group."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        timer = threading.Timer(1, super().terminate, [pid])
        timer.daemon = True
        timer.start()


def start(services: list[Service], variables: dict[str, str]) -> int:
    """Run the processes of Procfile until one ends or a signal arrives; return the exit code."""
    # It prints the time in front of each line; the services do not.
    manager = Manager()
    manager._procmgr = LeadersFirst()
    for name, command in parse_procfile(read_text(ROOT / "Procfile")).processes.items():
        env = environment_of(service_of(command, services), variables)
        manager.add_process(name, command, env=env, cwd=str(ROOT))
    # A process, because honcho forks and a thread would not survive that safely.
    multiprocessing.Process(target=announce, args=(services, variables), daemon=True).start()
    manager.loop()
    # Ctrl-C is how it is meant to end. A service that ends by itself is a fault, even with code 0.
    return 0 if manager.returncode == INTERRUPTED else manager.returncode or 1


def service_of(command: str, services: list[Service]) -> Service | None:
    """Return the service whose folder a command of Procfile names."""
    folders = {service.folder.relative_to(ROOT).as_posix(): service for service in services}
    return next(
        (one for path, one in folders.items() if re.search(rf"\b{path}(?![\w-])", command)), None
    )


def announce(services: list[Service], variables: dict[str, str]) -> None:
    """Print the addresses of the services once all of them answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while not all(answers(int(variables[f"{service.prefix}_PORT"])) for service in services):
        time.sleep(0.2)
    pages = {AUTHORIZATION_SERVER: "/accounts/login/"}
    width = max(len(service.name) for service in services)
    lines = ["", "Every service answers:", ""]
    for service in services:
        url = variables.get(f"{service.prefix}_URL", "")
        lines.append(f"  {service.name:<{width}}  {url}{pages.get(service, '/api/docs/')}")
    lines += ["", f"Log in with DEMO_USERNAME and DEMO_PASSWORD from {shown(env_file())}."]
    lines += ["`make smoke` in another terminal runs the smoke flow. Ctrl-C stops everything.", ""]
    print("\n".join(lines), flush=True)


def answers(port: int) -> bool:
    """Return whether a service answers HTTP requests on `port`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health/live")
        return bool(connection.getresponse().status)
    return False


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
