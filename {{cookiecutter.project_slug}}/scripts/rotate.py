"""Rotate a credential while the services run: docs/operations.md#rotate-a-secret.

``python scripts/rotate.py orders`` adds a second secret of `orders`: the authorization server
accepts it, then `orders` uses it. With ``--end`` only that one is accepted. The order is the same
for every kind of credential. A step that fails leaves one in use that is accepted. No
value is printed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from _project import (
    AUTHORIZATION_SERVER,
    ROOT,
    Service,
    env_file,
    env_prefix,
    environment,
    given,
    read_text,
    replace_text,
    resource_servers,
    variables,
)
from _secret_files import FOLDER, complete_secret_files, current, new_secret, next_url, write
from run import environment_of, environment_of_services

PROCESSES, CONTAINERS, SWARM = "make run", "docker compose", "a swarm"
URLS = {"database": "DATABASE_URL", "valkey": "CACHE_URL"}
SIGNING_KEY = "signing-key"


def main() -> None:
    """Rotate what the command line names, and say what comes next."""
    parser = argparse.ArgumentParser(description="Rotate a credential while the services run.")
    kinds = f"{', '.join([*URLS, SIGNING_KEY])}, a resource server or a client"
    parser.add_argument("name", help=kinds)
    parser.add_argument("--end", action="store_true", help="end the rotation that was begun")
    options = parser.parse_args()
    name, end = options.name, options.end
    if env_file() != ROOT / ".env" or not (ROOT / ".env").exists():
        sys.exit("Only secrets of .env are rotated: there is none, or ENV_FILE is set.")
    place = place_of(environment())
    print(f"{name}: of the services in {place}", flush=True)
    if name in URLS:
        rotate_urls(name, place, end=end)
    elif name == SIGNING_KEY:
        rotate_signing_key(place, end=end)
    else:
        rotate_client(name, place, end=end)


def place_of(values: Mapping[str, str]) -> str:
    """Return where the services run: in a swarm with STACK_IMAGE, in containers if some do."""
    if values.get("STACK_IMAGE"):
        return SWARM
    command = ["docker", "compose", "ps", "--services", "--filter", "status=running"]
    try:
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        names = ""
    return CONTAINERS if AUTHORIZATION_SERVER.name in names.split() else PROCESSES


def begin(name: str) -> None:
    """Say what comes next."""
    print(f"{name}: two are accepted, the new one is used. Next: make rotate name={name} end=yes")


def refuse(name: str, *, end: bool) -> None:
    """Exit, because a rotation is under way or, with `end`, is not."""
    if end:
        sys.exit(f"No rotation of {name} is under way: begin with `make rotate name={name}`.")
    sys.exit(f"A rotation of {name} is under way: end it with `make rotate name={name} end=yes`.")


def rotate_client(name: str, place: str, *, end: bool) -> None:
    """Rotate the secret of a client, or the introspection secret of a resource server."""
    is_server = name in [server.name for server in resource_servers()]
    variable = f"{env_prefix(name)}_{'INTROSPECTION_' * is_server}CLIENT_SECRET"
    values = variables(read_text(ROOT / ".env"))
    if not (used := values.get(variable)):
        sys.exit(f"There is no {variable} in .env: {name} is unknown, or has no secret there.")
    other = values.get(f"{variable}_FALLBACK")
    if end != bool(other):
        refuse(name, end=end)
    steps: dict[str, Callable[[], None]] = {
        PROCESSES: partial(manage, "ensure_clients"),
        CONTAINERS: partial(run_once, "ensure-clients"),
        SWARM: deploy,
    }
    apply = steps[place]
    if end:
        save(variable, used)
        apply()
        print(f"{name}: only the new secret is accepted.")
        return
    new = new_secret()
    if place != SWARM:  # Its deployment registers clients before it replaces tasks.
        save(variable, used, new)
        apply()
    save(variable, new, used)
    if place == SWARM:
        apply()
    if not is_server:
        print(f"{name}: give it the new {variable} from .env.")
    begin(name)


def save(variable: str, secret: str, fallback: str = "") -> None:
    """Write a secret and its fallback into `.env`, and the files of the containers."""
    text, path = read_text(ROOT / ".env"), ROOT / ".env"
    text = re.sub(rf"^\s*(export )?{variable}_FALLBACK=.*\n?", "", text, flags=re.MULTILINE)
    lines = f"{variable}={secret}\n" + f"{variable}_FALLBACK={fallback}\n" * bool(fallback)
    text = re.sub(rf"^\s*(export )?{variable}=.*\n?", lines, text, flags=re.MULTILINE)
    replace_text(path, text)
    complete_secret_files()


def rotate_urls(kind: str, place: str, *, end: bool) -> None:
    """Rotate the passwords of all services in PostgreSQL or in Valkey."""
    if place == PROCESSES:
        sys.exit(f"No container of this project runs: there is no {kind} to change.")
    services = [AUTHORIZATION_SERVER] * (kind == "database") + resource_servers()
    found = {
        service: current(name).splitlines()
        for service in services
        if not given(environment(), name := f"{service.prefix}_{URLS[kind]}")
    }
    if not found:
        sys.exit(f"Each {URLS[kind]} is in .env: change the password where that server runs.")
    if any(end != (len(urls) > 1) for urls in found.values()):
        refuse(kind, end=end)
    if end:
        write_urls(kind, {service: urls[:1] for service, urls in found.items()})
    else:
        found = {service: [*urls, next_url(urls[0])] for service, urls in found.items()}
        if place == CONTAINERS:  # See `rotate_client` about a swarm.
            write_urls(kind, found)
            provision([*found])
        write_urls(kind, {service: urls[::-1] for service, urls in found.items()})
    if place == SWARM:
        deploy()
    elif end:
        provision([*found])
    print(f"{kind}: only the new passwords are accepted.") if end else begin(kind)


def write_urls(kind: str, urls: Mapping[Service, list[str]]) -> None:
    """Write the URLs of each service, the one that it uses first."""
    for service, ordered in urls.items():
        write(f"{service.prefix}_{URLS[kind]}", "\n".join(ordered))


def provision(services: list[Service]) -> None:
    """Have the servers accept the passwords in the files."""
    for service in services:
        run_once(f"{service.name}-provision")


def rotate_signing_key(place: str, *, end: bool) -> None:
    """Publish the key that signs ID tokens next; with `end`, sign by it."""
    command = ["ensure_signing_key", "--rotate" if end else "--next"]
    file = FOLDER / "OIDC_RSA_PRIVATE_KEY"
    if place == CONTAINERS:
        run_once("authorization-server-migrate", "python", "manage.py", *command)
    elif place == SWARM:
        manage(*command, OIDC_RSA_PRIVATE_KEY_FILE=str(file))
        deploy()
    else:
        manage(*command)
    if end:
        print(f"{SIGNING_KEY}: the new key signs. The former one is accepted for 14 days.")
    else:
        print(
            f"{SIGNING_KEY}: two are published, the old one signs. Caches may have the key set of "
            f"before for an hour. Then: make rotate name={SIGNING_KEY} end=yes"
        )


def manage(*command: str, **more: str) -> None:
    """Run a command of the authorization server here."""
    own = environment_of(AUTHORIZATION_SERVER, environment_of_services(), registers=True)
    program = [sys.executable, "manage.py", *command]
    run(program, cwd=AUTHORIZATION_SERVER.folder, env=own | more)


def run_once(service: str, *command: str) -> None:
    """Run a step of the Compose files in a new container, which mounts the files of now."""
    run(["docker", "compose", "run", "--rm", "--no-deps", "-T", service, *command], cwd=ROOT)


def deploy() -> None:
    """Run the steps, then roll out what has a new secret."""
    run([sys.executable, str(ROOT / "scripts" / "swarm.py"), "deploy"], cwd=ROOT)


def run(command: list[str], **options: Any) -> None:
    """Run a command; exit where it fails. What was accepted before is accepted still."""
    if subprocess.run(command, stdin=subprocess.DEVNULL, **options).returncode:
        sys.exit(
            "The rotation has stopped: see above. The services use what is accepted. Remove the "
            "cause, then run the command again; if a rotation is under way then, end it first."
        )


if __name__ == "__main__":
    main()
