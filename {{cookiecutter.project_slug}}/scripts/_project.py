"""Shared by the scripts: paths, the services of the project, and the variables of `.env`.

Standard library only, because most scripts run before anything is installed. A script ends at an
expected fault with ``sys.exit(sentence)``: the sentence on stderr, exit code 1, no traceback.
"""

from __future__ import annotations

import keyword
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:
    sys.exit("This needs Python 3.11 or newer: choose one with `make PYTHON=python3.13`, say.")

ROOT = Path(__file__).resolve().parents[1]
RESOURCE_SERVERS = ROOT / "resource_servers"
NOT_INSTALLED = "The dependencies are not installed: run `make install`."

# The same lines as service_kit reads.
ASSIGNMENT = re.compile(r"(?:export )?([A-Za-z_0-9]+)=(.*)")

# The rules for names of resource servers. They stand in the template's ``hooks/pre_gen_project.py``
# too, which checks the names before there is a project to import from.
NAME_PATTERN = re.compile(r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")
MAX_RESOURCE_SERVERS = 20
RESERVED = frozenset(
    "accounts admin api auth authorization-server bootstrap clear-tokens client-registry config "  # noqa: SIM905
    "database db default demo deploy django django-oauth-resource-server docs email ensure-clients "
    "health introspection localhost migrate nginx none oauth offline-access openid packages "
    "postgres profile proxy public redis resource-server scripts service-kit site static template0 "
    "template1 test tests valkey www".split()
)
# Device names, which Windows cannot store as files.
WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")


def problem_with_name(name: str) -> str | None:
    """Return why `name` cannot be a resource server. Valid: a DNS label, no '--', not reserved."""
    if not NAME_PATTERN.fullmatch(name) or "--" in name:
        return (
            f"{name!r} is not 1 to 32 lower-case letters, digits and single '-', "
            "beginning with a letter and not ending in '-'"
        )
    taken = name in RESERVED or keyword.iskeyword(name.replace("-", "_"))
    return f"{name!r} is reserved" if taken or WINDOWS_DEVICE.fullmatch(name) else None


def env_prefix(name: str) -> str:
    """Return what the variables of a service begin with: ORDER_HISTORY for order-history."""
    return name.upper().replace("-", "_")


@dataclass(frozen=True)
class Service:
    """One Django project: the authorization server or a resource server."""

    name: str
    folder: Path
    scopes: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """The prefix of its variables: ORDERS for orders."""
        return env_prefix(self.name)


AUTHORIZATION_SERVER = Service("authorization-server", ROOT / "authorization_server")


def resource_servers() -> list[Service]:
    """Return the resource servers, which are the folders with a manifest."""
    paths = sorted(RESOURCE_SERVERS.glob("*/resource_server.toml"))
    manifests = [(read_toml(path), path.parent) for path in paths]
    return [
        Service(manifest.get("name", folder.name), folder, tuple(manifest.get("scopes", ())))
        for manifest, folder in manifests
    ]


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; exit if it is missing or invalid."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        sys.exit(f"{shown(path)} is not valid TOML: {error}.")


def read_text(path: Path) -> str:
    """Return the text of a file with its line endings; exit if it cannot be read."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        sys.exit(f"{shown(path)} cannot be read: {error.strerror}.")
    except UnicodeDecodeError:
        sys.exit(f"{shown(path)} cannot be read: it is not UTF-8.")


def replace_text(path: Path, text: str, mode: int | None = None) -> None:
    """Replace a file atomically.

    Args:
        path: The target of a symbolic link is replaced, not the link.
        text: The new text with its line endings.
        mode: The new permissions; None keeps those of the existing file.
    """
    path = path.resolve()
    descriptor, temporary = tempfile.mkstemp(".tmp", f"{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        os.chmod(temporary, stat.S_IMODE(path.stat().st_mode) if mode is None else mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def env_file() -> Path | None:
    """Return the path of the env file: ENV_FILE if set, None if ENV_FILE is empty, else `.env`."""
    name = os.environ.get("ENV_FILE", str(ROOT / ".env"))
    return Path(name).absolute() if name else None


def report_fault(kind: type, error: BaseException, trace: Any) -> None:
    """Report a file that cannot be read or written in one sentence, anything else as Python does.

    Scripts expect these faults where they can do more about them.
    """
    if isinstance(error, OSError) and error.filename:
        print(f"{error.filename}: {error.strerror}.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = report_fault


def shown(path: Path | None) -> str:
    """Return the name of a file for messages: relative to the project if it is inside."""
    if path is None:
        return "the environment"
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def assignments(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and lines of each variable in an env file.

    The lines include the comments above the variable, from the previous variable on.
    """
    lines = ""
    for line in text.splitlines(keepends=True):
        lines += line
        if match := ASSIGNMENT.fullmatch(line.strip()):
            yield match[1], unquoted(match[2]), lines
            lines = ""


def unquoted(value: str) -> str:
    """Return a value as django-environ reads it: without quotes, and escapes in double ones."""
    if len(value) > 1 and value[0] == value[-1] == "'":
        value = value[1:-1]
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\([^rnt])", r"\1", value[1:-1])
    return value.strip()


def variables(text: str) -> dict[str, str]:
    """Return the variables of an env file by name."""
    return {name: value for name, value, _ in assignments(text)}


def environment() -> dict[str, str]:
    """Return the variables of the services: those of this process override those of `.env`."""
    path = env_file()
    if path and not path.exists():
        sys.exit(f"There is no {shown(path)} yet: `make run` creates it.")
    return (variables(read_text(path)) if path else {}) | os.environ


def given(environment: Mapping[str, str], name: str) -> str | None:
    """Return a variable, or the content of the file that NAME_FILE names; None without both."""
    if path := environment.get(f"{name}_FILE"):
        return read_text(Path(path)).strip()
    return environment.get(name) or None


def setting(environment: Mapping[str, str], name: str) -> str:
    """Return a variable likewise; exit without both."""
    if value := given(environment, name):
        return value
    sys.exit(f"{name} is missing in {shown(env_file())}: run `python scripts/init_env.py`.")


def trusts_authorization_server(server: Service, environment: Mapping[str, str]) -> bool:
    """Return whether `server` accepts tokens of the authorization server of this project.

    It does, unless the variables list its issuers without that one.
    """
    presets = [*preset_names(server, environment)]
    presets += [table.get("preset", "") for table in issuer_tables(server, environment)]
    return not presets or "authorization_server" in presets


def preset_names(server: Service, environment: Mapping[str, str]) -> list[str]:
    """Return the presets in PREFIX_ISSUERS of `server`, or else in ISSUERS."""
    return [name.strip() for name in _of(server, environment, "ISSUERS").split(",") if name.strip()]


def issuer_tables(server: Service, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the tables of the file that PREFIX_ISSUERS_CONFIG or else ISSUERS_CONFIG names."""
    path = _of(server, environment, "ISSUERS_CONFIG")
    tables = read_toml(ROOT / path).get("issuers") if path else None
    # The resource server validates the file when it starts.
    return [one for one in tables if isinstance(one, dict)] if isinstance(tables, list) else []


def _of(server: Service, environment: Mapping[str, str], name: str) -> str:
    return environment.get(f"{server.prefix}_{name}") or environment.get(name, "")
