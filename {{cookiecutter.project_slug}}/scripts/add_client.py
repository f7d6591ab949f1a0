"""Add a client: its table in clients.toml, its variables with a new secret, its registration.

Everything is checked before a file is written. client_types.toml has what differs by type.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from _project import (
    AUTHORIZATION_SERVER,
    ROOT,
    assignments,
    env_file,
    env_prefix,
    read_text,
    read_toml,
    replace_text,
    resource_servers,
    shown,
    variables,
)
from _wiring import ended
from add_resource_server import complete_env_file, env_variables

CLIENTS = AUTHORIZATION_SERVER.folder / "clients.toml"
EXAMPLE = ROOT / ".env.example"
NAME = re.compile(r"(?=.{1,64}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
# As browsers send an origin: without a path and without the default port.
URL = re.compile(r"(?!https:.*:443$|http:.*:80$)https?://[a-z0-9.-]+(:[0-9]{1,5})?")
VARIABLES = """
{heading:=<100}

# {what}. Read by `manage.py ensure_clients` and by the client.
{prefix}_CLIENT_ID={name}
"""
CONFIDENTIAL = """\
# Its secret.
{prefix}_CLIENT_SECRET=change-me
"""
TABLE = """
# {what}.
[{name}]
title = "{title}"
"""
DEVELOPMENT = """\
# In production, URLs begin with https://.
environments = ["development"]
"""


def main() -> None:
    """Add the client that the command line names, and say how to use it."""
    types = read_toml(ROOT / "scripts" / "client_types.toml")
    parser = argparse.ArgumentParser(description="Add a client of the authorization server.")
    parser.add_argument("name", help="such as web-shop")
    parser.add_argument("--type", default="web", help=f"{', '.join(types)}; web is the default")
    parser.add_argument("--url", help="the origin of a web or spa client; https in production")
    given = parser.parse_args()
    if not (kind := types.get(given.type)):
        known = ", ".join(types)
        sys.exit(f"There is no type {given.type!r}: choose one of {known}. Nothing was changed.")
    if given.url and "url" not in kind:
        sys.exit(f"A client of the type {given.type} has no url. Nothing was changed.")
    url = given.url or kind.get("url", "")
    for problem in problems_with(given.name, url):
        sys.exit(f"{problem} Nothing was changed.")
    domain = read_toml(ROOT / "project.toml").get("domain", "example.com")
    add(
        kind,
        name=given.name,
        title=given.name.replace("-", " ").capitalize(),
        prefix=env_prefix(given.name),
        what=kind["what"],
        url=url,
        scheme=".".join([*reversed(domain.split(".")), given.name]),
        issuer=env_variables().get("AUTHORIZATION_SERVER_URL", ""),
        origins="\n".join(f"  {one.prefix}_ALLOWED_ORIGINS={url}" for one in resource_servers()),
    )


def problems_with(name: str, url: str) -> Iterator[str]:
    """Yield why there can be no client of this name at this URL."""
    if not NAME.fullmatch(name):
        yield f"{name!r} is not lower-case letters and digits with single '-': web-shop, say."
    if url and not URL.fullmatch(url):
        yield f"{url!r} is not http(s)://host[:port] without a path: http://localhost:5173, say."
    if name in read_toml(CLIENTS):
        yield f"{name} is a client already: edit its table in {shown(CLIENTS)}."
    variable = f"{env_prefix(name)}_CLIENT_ID"
    for file, present in (EXAMPLE, variables(read_text(EXAMPLE))), (env_file(), env_variables()):
        # An interrupted run has left its own name.
        if present.get(variable, name) != name or name.endswith("-introspection"):
            yield f"{variable} in {shown(file)} is taken: choose another name."


def add(kind: dict[str, Any], **words: str) -> None:
    """Write the variables, then the table: another run completes an interrupted one."""
    part = VARIABLES + CONFIDENTIAL * kind.get("has_secret", False)
    part = part.format(heading=f"# === Client: {words['name']} ", **words)
    text = read_text(EXAMPLE)
    missing = [lines for variable, _, lines in assignments(part) if variable not in variables(text)]
    replace_text(EXAMPLE, ended(text) + "".join(missing))
    print(f"{shown(EXAMPLE)}: added its variables")

    table = (TABLE + kind["table"].lstrip()).format(**words)
    table += DEVELOPMENT * words["url"].startswith("http://")
    replace_text(CLIENTS, ended(read_text(CLIENTS)) + table)
    print(f"{shown(CLIENTS)}: added {words['name']}")
    complete_env_file()
    print(f"{registered()}\n\n{kind['usage'].format(**words)}")


def registered() -> str:
    """Register what is declared, and return what has happened."""
    done = subprocess.run(
        [sys.executable, "manage.py", "ensure_clients"],
        cwd=AUTHORIZATION_SERVER.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    if done.returncode == 0:
        return "It is registered. A running authorization server knows it already."
    is_new = "database is not ready" in done.stdout
    reason = "there is no database yet" if is_new else done.stdout.strip()
    return f"`make run` registers it: {reason}"


if __name__ == "__main__":
    main()
