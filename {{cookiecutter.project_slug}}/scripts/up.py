"""Start the platform in containers: ``make up``. What is in the way is said before it starts.

Standard library only: nothing has to be installed but Docker.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import add_resource_server
import init_env
from _docker import compose, containers, logs, require_docker, run
from _outdated import remove_outdated
from _ports import problem_with_port
from _project import (
    AUTHORIZATION_SERVER,
    ROOT,
    environment,
    resource_servers,
    setting,
    trusts_authorization_server,
)

UP = ("docker", "compose", "up", "--detach", "--wait", "--build")
GIB = 1024**3
# The images of PostgreSQL, Valkey and Python, and the platform's own: a build keeps the last one.
FREE_BYTES_NEEDED = 2 * GIB
TIMEOUT_SECONDS = 10
# How long a service may say 503, as a resource server does that has not been told about the token.
UNAVAILABLE_SECONDS = 30
POLL_SECONDS = 0.5


def main() -> None:
    """Check, start, wait until every service is healthy, and use a token."""
    require_docker()
    if not resource_servers():
        add_resource_server.add_first()
    init_env.main()
    variables = environment()
    project = json.loads(compose("config", "--format", "json"))
    check_disk()
    check_modes()
    present = containers()
    check_ports(project, variables, present)
    if outdated := remove_outdated(present, project):
        print(
            f"{', '.join(outdated)}: started anew, with what has changed in .secrets/", flush=True
        )

    start = time.monotonic()
    if subprocess.run(UP, cwd=ROOT).returncode:
        sys.exit(what_has_failed())
    print_addresses(variables)
    if variables.get("ENVIRONMENT") == "development":
        use_a_token(variables)
        seconds = time.monotonic() - start
        print(f"\n{seconds:.1f} s from `docker compose up` to the first accepted token.")
    print(
        "`make smoke` tries the whole flow, `make logs` shows what happens, `make down` stops it."
    )


def check_disk() -> None:
    """Exit when too little is free where Docker keeps its data, as far as that can be seen."""
    folder = run("docker", "info", "--format", "{{.DockerRootDir}}").stdout.strip()
    if not folder or not Path(folder).exists():
        return  # In a virtual machine, or on another one.
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_NEEDED:
        sys.exit(
            f"{free / GIB:.1f} GiB are free in {folder}, and {FREE_BYTES_NEEDED / GIB:.0f} are "
            "needed: `docker image prune` and `docker builder prune` delete what nothing uses."
        )


def check_modes() -> None:
    """Exit when a strict umask keeps the containers, who are nobody here, from the mounted code."""
    code = ROOT / "deploy" / "serve.py"
    is_readable = code.stat().st_mode & 0o004 and code.parent.stat().st_mode & 0o001
    if os.name != "nt" and not is_readable:
        sys.exit(
            "The containers run as users of their own, who cannot read the code here. To let them: "
            "chmod -R go+rX authorization_server deploy packages resource_servers"
        )


def check_ports(
    project: dict[str, Any], variables: dict[str, str], present: list[dict[str, Any]]
) -> None:
    """Exit with one line for each port that something else than this project listens on."""
    ours = {
        str(publisher["PublishedPort"])
        for container in present
        for publisher in container.get("Publishers") or ()
    }
    with ExitStack() as listeners:
        found = [
            problem_with_port(port, service, remedy(port, variables), listeners, host)
            for service, host, port in published_ports(project)
            if port not in ours and can_be_tried(port)
        ]
    if problems := [problem for problem in found if problem]:
        sys.exit("\n".join(problems))


def can_be_tried(port: str) -> bool:
    """Return whether this user may listen there; Docker may at 80 and 443 anyway."""
    return os.name == "nt" or os.geteuid() == 0 or int(port) >= 1024


def published_ports(project: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield service, address and port of all that is to be published on this machine."""
    for service, description in project["services"].items():
        for port in description.get("ports", ()):
            if port.get("published"):
                yield service, port.get("host_ip", ""), port["published"]


def remedy(port: str, variables: dict[str, str]) -> str:
    """Return which lines of `.env` give a service its port."""
    names = [
        name
        for name, value in variables.items()
        if name.endswith(("_PORT", "_URL")) and value.rpartition(":")[2] == port
    ]
    return f"change {' and '.join(names)} in .env" if names else "publish another one"


def what_has_failed() -> str:
    """Return which services have failed, and the last lines of each; the reason comes last."""
    failed: dict[str, list[str]] = {}
    for container in containers():
        if has_failed(container):
            failed.setdefault(logs(container["ID"]), []).append(container["Service"])
    if not failed:
        return "`docker compose up` has failed: see above."
    return "\n".join(f"\n{', '.join(names)}: failed.\n{text}" for text, names in failed.items())


def has_failed(container: dict[str, Any]) -> bool:
    """Return whether a container has ended with a fault, or is not well."""
    ended = container["State"] == "exited" and container["ExitCode"] != 0
    return (
        ended or container["State"] in ("dead", "restarting") or container["Health"] == "unhealthy"
    )


def print_addresses(variables: dict[str, str]) -> None:
    """Print where to look."""
    pages = {AUTHORIZATION_SERVER: "/accounts/login/"}
    services = [AUTHORIZATION_SERVER, *resource_servers()]
    width = max(len(service.name) for service in services)
    print()
    for service in services:
        url = variables.get(f"{service.prefix}_URL", "")
        print(f"  {service.name:<{width}}  {url}{pages.get(service, '/api/docs/')}")


def use_a_token(variables: dict[str, str]) -> None:
    """Get a token as the demo machine (RFC 6749 section 4.4), and have it accepted by everybody.

    A resource server that trusts other issuers only is not asked.
    """
    servers = resource_servers()
    names = "DEMO_MACHINE_CLIENT_ID", "DEMO_MACHINE_CLIENT_SECRET"
    credentials = ":".join(setting(variables, name) for name in names).encode()
    scope = " ".join(f"{server.name}:read" for server in servers)
    token = answer(
        f"{setting(variables, 'AUTHORIZATION_SERVER_URL')}/o/token/",
        f"Basic {base64.b64encode(credentials).decode()}",
        urlencode({"grant_type": "client_credentials", "scope": scope}).encode(),
    )["access_token"]
    for server in servers:
        if trusts_authorization_server(server, variables):
            url = setting(variables, f"{server.prefix}_URL")
            answer(f"{url}/api/whoami/", f"Bearer {token}")


def answer(url: str, authorization: str, data: bytes | None = None) -> dict[str, Any]:
    """Return the JSON that comes with 200, after 503 if need be; exit when something else comes."""
    request = urllib.request.Request(url, data, {"Authorization": authorization})  # noqa: S310
    # The services are near: no proxy of the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    start = time.monotonic()
    while True:
        try:
            with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                body: dict[str, Any] = json.load(response)
                return body
        except (OSError, ValueError) as error:
            is_unavailable = isinstance(error, urllib.error.HTTPError) and error.code == 503
            if not is_unavailable or time.monotonic() - start > UNAVAILABLE_SECONDS:
                sys.exit(
                    f"Wrong answer from {url}: {error}. `make smoke` and `make logs` say more."
                )
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
