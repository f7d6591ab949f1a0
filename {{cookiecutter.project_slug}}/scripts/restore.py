"""Put back what ``make backup`` has dumped: ``make restore from=backups/DATE``.

Every dump is read into a new database first. Only when all are there the services stop, and each
new database takes the place of the old one: a restore that fails changes nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from _docker import COMPOSE, compose, containers, reason, require_docker
from _project import AUTHORIZATION_SERVER, ROOT, resource_servers, shown
from backup import psql

UP = ("docker", "compose", "up", "--detach", "--wait")
NEW, OLD = "%s.new", "%s.old"
DATA_SERVICES = ("postgres", "valkey")


def main() -> None:
    """Restore all databases of the folder that the command line names."""
    if len(sys.argv) != 2 or not sys.argv[1]:
        sys.exit("Say from where: make restore from=backups/DATE")
    dumps = dumps_in(ROOT / sys.argv[1])
    require_docker()
    compose("build")
    compose("up", "--detach", "--wait", *DATA_SERVICES)
    for name in dumps:
        # In a new volume there is no role yet to which a database could belong.
        compose("run", "--rm", "--no-TTY", f"{name}-provision")
    try:
        for name, dump in dumps.items():
            read_in(name, dump)
            print(f"{name}: read {shown(dump)}", flush=True)
    except SystemExit:
        for name in dumps:
            psql(f'DROP DATABASE IF EXISTS "{NEW % name}"')
        raise

    stop_services()
    try:
        put_in_place([*dumps])
    except SystemExit as fault:
        sys.exit(f"{fault} The services are stopped: `make up` starts them again.")
    print("The databases are in place. Now the services:", flush=True)
    sys.exit(subprocess.run(UP, cwd=ROOT).returncode)


def stop_services() -> None:
    """Stop whatever may write to a database."""
    running = {each["Service"] for each in containers() if each["State"] == "running"}
    # Without a name it would stop PostgreSQL, too.
    if services := sorted(running.difference(DATA_SERVICES)):
        compose("stop", *services)


def dumps_in(folder: Path) -> dict[str, Path]:
    """Return the dumps in `folder` by the service they are of; exit unless there are some."""
    services = {service.name for service in (AUTHORIZATION_SERVER, *resource_servers())}
    dumps = {path.stem: path for path in sorted(folder.glob("*.dump"))}
    if not dumps:
        sys.exit(f"{shown(folder)} holds no dump: `make backup` makes a folder that does.")
    if unknown := sorted(dumps.keys() - services):
        sys.exit(
            f"{shown(folder)} holds a dump of {', '.join(unknown)}, which is no service here: "
            "add the resource server again, or move that file away."
        )
    return dumps


def read_in(name: str, dump: Path) -> None:
    """Read a dump into a new database beside the old one; exit when that fails."""
    new = NEW % name
    psql(f'DROP DATABASE IF EXISTS "{new}"')
    psql(f'CREATE DATABASE "{new}" OWNER "{name}" TEMPLATE template0')
    psql(f'REVOKE ALL ON DATABASE "{new}" FROM PUBLIC')
    words = ["exec", "--no-TTY", "postgres", "pg_restore", "--exit-on-error", "--no-owner"]
    options = ["--single-transaction", f"--role={name}", f"--dbname={new}"]
    with dump.open("rb") as file:
        done = subprocess.run(
            [*COMPOSE, *words, *options], cwd=ROOT, stdin=file, stderr=subprocess.PIPE
        )
    if done.returncode:
        sys.exit(
            f"{shown(dump)} cannot be read, and nothing was changed: "
            f"{reason(done.stderr.decode(errors='replace'))}"
        )


def put_in_place(names: list[str]) -> None:
    """Give the new databases the names of the old ones, all or none; then the old ones go."""
    for name in names:
        psql(f'DROP DATABASE IF EXISTS "{OLD % name}"')
    # In one command, which is one transaction.
    psql(
        "".join(
            f'ALTER DATABASE "{name}" RENAME TO "{OLD % name}";'
            f'ALTER DATABASE "{NEW % name}" RENAME TO "{name}";'
            for name in names
        )
    )
    for name in names:
        psql(f'DROP DATABASE "{OLD % name}"')


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"{error.filename} cannot be read: {error.strerror}.")
    except KeyboardInterrupt:
        sys.exit(130)
