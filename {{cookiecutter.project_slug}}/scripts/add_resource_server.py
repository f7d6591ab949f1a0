"""Add resource servers: their folders, and their lines in the files of the project.

Every clash is found before anything is written. Each step is idempotent: another run completes an
interrupted one, and changes nothing if everything is present. Standard library only, because the
hook that generates the project runs this too.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import init_env
from _project import (
    AUTHORIZATION_SERVER,
    MAX_RESOURCE_SERVERS,
    RESOURCE_SERVERS,
    ROOT,
    env_file,
    env_prefix,
    problem_with_name,
    read_text,
    read_toml,
    resource_servers,
    shown,
    variables,
)
from _wiring import Wiring, compose_service_names, own_variables, required_variables

SKELETON = ROOT / "scripts" / "resource_server_skeleton"
LEFTOVERS = shutil.ignore_patterns("__pycache__", ".*_cache", "staticfiles", "*.sqlite3*")
# One level deeper than manifests are searched, so that an incomplete copy is not found.
UNFINISHED = RESOURCE_SERVERS / ".unfinished"


def main() -> None:
    """Add the resource servers that the command line names."""
    parser = argparse.ArgumentParser(
        description="Add resource servers to the project. A second run changes nothing.",
        epilog="How to change and remove one: docs/resource_servers.md",
    )
    parser.add_argument("names", metavar="NAME", nargs="+", help="billing, order-history, ...")
    names = parser.parse_args().names
    try:
        add(names)
    except OSError as error:
        sys.exit(f"{error}. Fix it and run the same command again: it resumes.")


def add(names: list[str]) -> None:
    """Add the resource servers `names`, or exit with the list of all problems."""
    finished = {server.name for server in resource_servers() if server.folder.name == server.name}
    valid = [name for name in dict.fromkeys(names) if problem_with_name(name) is None]
    new = [name for name in valid if name not in finished]
    domain = read_toml(ROOT / "project.toml").get("domain", "example.com")
    env = env_variables()
    wiring = Wiring(env)

    taken = {".env.example": variables(wiring.texts[".env.example"]), shown(env_file()): env}
    problems = [*problems_with_names(names, finished)]
    for name in new:
        problems += clashes(name, {*valid, *finished} - {name}, taken)
    for name in valid:
        problems += wiring.add(name)
    if problems:
        sys.exit("\n".join(["Nothing was changed:", *(f"  - {problem}" for problem in problems)]))

    # Folders first: the next run then recognizes the lines of an interrupted run.
    for name in new:
        copy_skeleton(name, domain)
    wiring.write()
    if not (complete_env_file() or wiring.added or new):
        print(f"{', '.join(names)}: nothing to do")


def add_first() -> None:
    """Add the resource servers of the recorded answers, as the hook does unless it was refused."""
    answers = read_toml(ROOT / "project.toml").get("template", {}).get("answers", {})
    names = [name.strip() for name in answers.get("resource_servers", "").split(",")]
    if not any(names):
        sys.exit("There is no resource server yet: run `make resource-server name=orders`, say.")
    add(names)


def env_variables() -> dict[str, str]:
    """Return the variables of the env file; none if there is no such file yet."""
    path = env_file()
    return variables(read_text(path)) if path and path.exists() else {}


def problems_with_names(names: list[str], finished: Collection[str]) -> Iterator[str]:
    """Yield the problems of the names themselves."""
    for name in dict.fromkeys(names):
        if problem := problem_with_name(name):
            yield f"{problem}. Valid: billing"
        if names.count(name) > 1:
            yield f"{name!r} is given {names.count(name)} times."
    total = len({*names, *finished})
    if total > MAX_RESOURCE_SERVERS:
        yield f"Expected at most {MAX_RESOURCE_SERVERS} resource servers, got {total}."


def clashes(name: str, others: Collection[str], taken: dict[str, dict[str, str]]) -> Iterator[str]:
    """Yield the clashes of the new resource server `name` with what exists.

    Args:
        name: A valid name, of no finished resource server.
        others: The names of the other resource servers.
        taken: The variables of each env file.
    """
    folder = RESOURCE_SERVERS / name
    if folder.exists():
        yield f"{shown(folder)} exists and is no resource server of that name: move it away."
    for file, present in taken.items():
        if found := sorted(required_variables(name) & present.keys()):
            yield (
                f"{name!r} needs {', '.join(found)}, which {file} defines already: "
                "delete that there, or choose another name."
            )
    # "a" and "a-database", for example, would both read A_DATABASE_URL.
    for other in sorted({*others, AUTHORIZATION_SERVER.name}):
        for variable in sorted(own_variables(name) & own_variables(other)):
            yield f"{name!r} would share {variable} with {other!r}: choose another name."
        for container in sorted(compose_service_names(name) & compose_service_names(other)):
            yield f"{name!r} would share container {container} with {other!r}: choose another name."


def copy_skeleton(name: str, domain: str) -> None:
    """Copy the skeleton to the folder of the resource server `name`, atomically."""
    shutil.rmtree(UNFINISHED, ignore_errors=True)
    copy = UNFINISHED / name
    shutil.copytree(SKELETON, copy, ignore=LEFTOVERS)
    fill_in(copy, name, domain)
    copy.rename(RESOURCE_SERVERS / name)
    UNFINISHED.rmdir()
    print(f"{shown(RESOURCE_SERVERS / name)}: created")


def fill_in(folder: Path, name: str, domain: str) -> None:
    """Replace the placeholders in data files; code is the same in each resource server."""
    words = {
        "resource-server-name.example.com": f"{name}.{domain}",
        "resource-server-name": name,
        "RESOURCE_SERVER_NAME": env_prefix(name),
        "Resource server name": name.replace("-", " ").capitalize(),
    }
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".py":
            content = path.read_bytes()
            for word, replacement in words.items():
                content = content.replace(word.encode(), replacement.encode())
            path.write_bytes(content)


def complete_env_file() -> bool:
    """Complete the env file and print what was added. Without one, the first start creates it."""
    path = env_file()
    added = init_env.complete(path) if path and path.exists() else []
    if added:
        print(f"{shown(path)}: added {', '.join(added)}")
    init_env.complete_secrets()
    return bool(added)


if __name__ == "__main__":
    main()
