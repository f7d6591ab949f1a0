"""The lines of a resource server in Procfile, the Compose files and .env.example.

Each ``with_`` function takes the text of such a file, the name of the resource server and the
variables of `.env`; it returns the text with the lines, unchanged if they are present. Text is
edited, not parsed and dumped, to keep comments and order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

from _project import (
    AUTHORIZATION_SERVER,
    ROOT,
    assignments,
    env_prefix,
    read_text,
    replace_text,
    resource_servers,
    variables,
)

FIRST_PORT = 8001
REQUIRED = ("PORT", "URL", "SECRET_KEY", "INTROSPECTION_CLIENT_ID", "INTROSPECTION_CLIENT_SECRET")
OPTIONAL = ("DATABASE_URL", "CACHE_URL", "ALLOWED_HOSTS", "ALLOWED_ORIGINS")

PROCESS = (
    "{name}: cd resource_servers/{name} && "
    "exec python ../../deploy/serve.py 127.0.0.1:${prefix}_PORT\n"
)
# `include:` in block style, or empty in flow style, with or without a trailing comment.
INCLUDE = re.compile(r"include:( *\[ *\])?( *#.*)?")
VARIABLES = """
{heading:=<100}

# Where it listens on this machine. Read by `make run` and by Compose; any free port, which the URL
# below names too.
{prefix}_PORT={port}
# Its public address, without a trailing slash, and the audience of its tokens. Read by itself, by
# the authorization server and by `make smoke`.
{prefix}_URL=http://localhost:{port}
# Django's SECRET_KEY. Read by itself only.
{prefix}_SECRET_KEY=change-me
# Its client_id for introspection. Read by itself, and by the authorization server, where
# `manage.py ensure_clients` registers it.
{prefix}_INTROSPECTION_CLIENT_ID={name}-introspection
# The secret of that client. Read by the same services.
{prefix}_INTROSPECTION_CLIENT_SECRET=change-me
"""


class Clash(Exception):
    """A file cannot take the lines. The message says what to do by hand."""


class Wiring:
    """The edits of all files, collected in memory before the first file is written."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.texts = {file: read_text(ROOT / file) for file in EDITS}
        self.added: dict[str, list[str]] = {}

    def add(self, name: str) -> Iterator[str]:
        """Add the resource server `name`; yield the clashes."""
        for file, edit in EDITS.items():
            try:
                text = edit(self.texts[file], name, self.env)
            except Clash as clash:
                yield str(clash)
            else:
                if text != self.texts[file]:
                    self.added.setdefault(file, []).append(name)
                    self.texts[file] = text

    def write(self) -> None:
        """Write the files that have changed, and print their names."""
        for file, names in self.added.items():
            replace_text(ROOT / file, self.texts[file])
            print(f"{file}: added {', '.join(names)}")


def with_process(text: str, name: str, env: dict[str, str]) -> str:
    """Return a Procfile with the process of the resource server `name`."""
    entry = re.search(rf"^{name}:(.*)", text, re.MULTILINE)
    if entry is None:
        return ended(text) + PROCESS.format(name=name, prefix=env_prefix(name))
    if not re.search(rf"resource_servers/{name}(?![a-z0-9-])", entry[1]):
        raise Clash(
            f"Procfile has another process named {name!r}: rename it, or choose another name."
        )
    return text


def with_include(text: str, name: str, env: dict[str, str], *, file: str) -> str:
    """Return a Compose file that includes the one of the resource server `name`."""
    path = f"resource_servers/{name}/{file}"
    if re.search(rf"^[^#\n]*{re.escape(path)}", text, re.MULTILINE):
        return text
    lines = ended(text).splitlines(keepends=True)
    anchors = [n for n, line in enumerate(lines) if INCLUDE.fullmatch(line.rstrip())]
    if not anchors:
        raise Clash(
            f"{file} has no line `include:` with the list below it. "
            f"Add by hand, at its top level:\n      include:\n        - {path}"
        )
    start = anchors[0] + 1
    lines[start - 1] = re.sub(r" *\[ *\]", "", lines[start - 1], count=1)
    end = end_of_block(lines, start)
    indents = [
        line.partition("-")[0] for line in lines[start:end] if line.lstrip().startswith("- ")
    ]
    lines.insert(end, f"{indents[0] if indents else '  '}- {path}\n")
    return "".join(lines)


def with_service(text: str, name: str, env: dict[str, str]) -> str:
    """Return a compose.yml that includes the one of the resource server `name`.

    The authorization server gets its URL, too.
    """
    text = with_include(text, name, env, file="compose.yml")
    line = f"{env_prefix(name)}_URL:"
    if re.search(rf"^ *{line}", text, re.MULTILINE):
        return text
    block = re.search(
        r"^( *)environment: &authorization-server-environment\n(\1 +\S.*\n)+", text, re.M
    )
    if block is None:
        raise Clash(
            "compose.yml has no line `environment: &authorization-server-environment`. "
            f"Add by hand, to the environment of the authorization server:\n      {line}"
        )
    return f"{text[: block.end()]}{block[1]}  {line}\n{text[block.end() :]}"


def end_of_block(lines: list[str], start: int) -> int:
    """Return the index after the last line of the YAML list that begins at `start`."""
    end = start
    for number, line in enumerate(lines[start:], start + 1):
        if line.strip() and line.startswith((" ", "- ")):
            end = number
        elif line.strip() and not line.startswith("#"):
            break
    return end


def with_variables(text: str, name: str, env: dict[str, str]) -> str:
    """Return an .env.example with the variables of the resource server `name`.

    Its port is the first free one after those of the other resource servers, in this file and in
    `.env`, or after the one of the authorization server.
    """
    present = variables(text)
    prefix = env_prefix(name)
    taken = {port for taken in (present, env) for port in ports(taken, but=f"{prefix}_PORT")}
    others = resource_servers() or [AUTHORIZATION_SERVER]
    used = [(present | env).get(f"{other.prefix}_PORT", "") for other in others]
    last = max((int(port) for port in used if port.isdecimal()), default=FIRST_PORT - 1)
    free = next(port for port in map(str, count(last + 1)) if port not in taken)
    part = VARIABLES.format(
        heading=f"# === Resource server: {name} ",
        name=name,
        prefix=prefix,
        port=(env | present).get(f"{prefix}_PORT", free),
    )
    missing = [lines for variable, _, lines in assignments(part) if variable not in present]
    return ended(text) + "".join(missing) if missing else text


EDITS: dict[str, Callable[[str, str, dict[str, str]], str]] = {
    "Procfile": with_process,
    "compose.yml": with_service,
    "compose.override.yml": partial(with_include, file="compose.override.yml"),
    ".env.example": with_variables,
}


def ports(variables: dict[str, str], *, but: str) -> set[str]:
    """Return the values of the PORT variables except `but`."""
    return {port for name, port in variables.items() if name.endswith("_PORT") and name != but}


def required_variables(name: str) -> set[str]:
    """Return the variables that a resource server requires."""
    return {f"{env_prefix(name)}_{suffix}" for suffix in REQUIRED}


def own_variables(name: str) -> set[str]:
    """Return every variable that the service `name` reads."""
    internal_url = ["INTERNAL_URL"] if name == AUTHORIZATION_SERVER.name else []
    optional = {f"{env_prefix(name)}_{suffix}" for suffix in [*OPTIONAL, *internal_url]}
    return required_variables(name) | optional


def compose_service_names(name: str) -> set[str]:
    """Return the names of the Compose services of the service `name`."""
    return {name, f"{name}-provision", f"{name}-migrate"}


def ended(text: str) -> str:
    """Return `text` with a line break at its end."""
    return text if text.endswith("\n") or not text else f"{text}\n"
