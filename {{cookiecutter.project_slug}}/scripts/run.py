"""Prepare every service and start them all: ``make run``. Ctrl-C stops them.

honcho starts what Procfile lists. It is used as a library, because its command line would let
`.env` win over the environment and give each process a PORT that nobody has asked for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import add_resource_server
import init_env
from _ports import problem_with_port
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

try:
    from honcho.environ import parse_procfile  # type: ignore[import-untyped]
    from honcho.manager import Manager  # type: ignore[import-untyped]
except ImportError:
    sys.exit(NOT_INSTALLED)

# The steps of a service follow each other; services do not wait for each other.
RESOURCE_SERVER_STEPS = ["migrate --no-input"]
AUTHORIZATION_SERVER_STEPS = [
    "ensure_signing_key",
    "migrate --no-input",
    "ensure_clients",
    "ensure_demo_user",
]


def main() -> None:
    """Do everything between a new clone and running services, then wait until they have stopped."""
    if os.name == "nt":
        sys.exit("The services need a Unix: use WSL, or `docker compose up`.")
    if not resource_servers():
        add_resource_server.add_first()
    init_env.main()

    services = [AUTHORIZATION_SERVER, *resource_servers()]
    variables = environment_of_services()
    check_ports(services, variables)
    prepare(services, variables)
    # Once more: that took a while, and the server shares a port that is in use.
    check_ports(services, variables)
    print_addresses(services, variables)
    sys.exit(start(variables))


def environment_of_services() -> dict[str, str]:
    """Return the variables that every process gets, whatever folder it runs in."""
    variables = environment()
    for name in ("ENV_FILE", "DATA_DIR"):
        if variables.get(name):
            variables[name] = str(Path(variables[name]).absolute())
    # `python` is this one, even where no environment is active.
    programs = str(Path(sys.executable).parent)
    variables["PATH"] = os.pathsep.join([programs, variables.get("PATH", os.defpath)])
    variables["PYTHONUNBUFFERED"] = "1"
    return variables


def check_ports(services: list[Service], variables: dict[str, str]) -> None:
    """Exit with one line for each port that cannot be listened on."""
    # Each stays in use until the last is checked, so that two services with one port are found too.
    with ExitStack() as listeners:
        found = [
            problem_with_port(
                variables.get(f"{service.prefix}_PORT", ""),
                service.name,
                f"change {service.prefix}_PORT and {service.prefix}_URL in {shown(env_file())}",
                listeners,
            )
            for service in services
        ]
    if problems := [problem for problem in found if problem]:
        sys.exit("\n".join(problems))


def prepare(services: list[Service], variables: dict[str, str]) -> None:
    """Run the steps of all services; exit with the output of those that failed."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = list(filter(None, pool.map(partial(run_steps, variables=variables), services)))
    if failures:
        sys.exit("\n".join(failures))


def run_steps(service: Service, variables: dict[str, str]) -> str | None:
    """Run the steps of one service up to the first that fails; return why it did."""
    authorizes = service == AUTHORIZATION_SERVER
    for step in AUTHORIZATION_SERVER_STEPS if authorizes else RESOURCE_SERVER_STEPS:
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "manage.py", *step.split()],
            cwd=service.folder,
            env=variables,
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


def print_addresses(services: list[Service], variables: dict[str, str]) -> None:
    """Print where to look, before the output of the services takes over."""
    pages = {AUTHORIZATION_SERVER: "/accounts/login/"}
    width = max(len(service.name) for service in services)
    print()
    for service in services:
        url = variables.get(f"{service.prefix}_URL", "")
        print(f"  {service.name:<{width}}  {url}{pages.get(service, '/api/docs/')}")
    print(f"\nLog in with DEMO_USERNAME and DEMO_PASSWORD of {shown(env_file())}.")
    print("`make smoke` in another terminal tries the whole flow. Ctrl-C stops everything.\n")


def start(variables: dict[str, str]) -> int:
    """Run the processes of Procfile until one of them ends or a signal comes; return the exit code.

    honcho hands SIGINT and SIGTERM on to all of them, and stops the others when one ends.
    """
    manager = Manager()
    for name, command in parse_procfile(read_text(ROOT / "Procfile")).processes.items():
        manager.add_process(name, command, env=variables, cwd=str(ROOT))
    manager.loop()
    # A service that ends is a fault, whatever it says itself.
    return manager.returncode or 1


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
