"""The secrets of each service: files in `.secrets/` for containers, variables for `make run`.

Compose mounts the files, which are written from `.env`, into the containers: into each only its
own. Passwords of PostgreSQL and Valkey, and the URLs with these passwords, are for containers only:
they are generated here and kept. The files are readable by all users, as the users of the
containers read them; the folder is closed to other users. A container sees a file that is changed
in place, and none that is replaced.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from _project import (
    AUTHORIZATION_SERVER,
    ROOT,
    Service,
    assignments,
    env_file,
    env_prefix,
    issuer_tables,
    preset_names,
    read_text,
    read_toml,
    resource_servers,
    variables,
)

FOLDER = ROOT / ".secrets"
FOLDER_MODE, FILE_MODE = 0o700, 0o644
# Variables of the authorization server that need not be set.
OPTIONAL = re.compile(
    r"METRICS_TOKEN|EMAIL_URL|DEFAULT_FROM_EMAIL|SIGN_UP|UPSTREAM_\w+"
    "|AUTHORIZATION_SERVER_SECRET_KEY_FALLBACKS"
)
ADMINISTRATORS = ("POSTGRES_PASSWORD", "VALKEY_PASSWORD")
# What follows the prefix of a service in the names of its secrets.
SECRET = re.compile(
    r"_(?:\w*_)?(?:KEY|PASSWORD|SECRET|SECRET_FALLBACK|TOKEN)|_(?:DATABASE|CACHE)_URL"
)
DATABASE_URL = "postgres://{user}:{password}@postgres:5432/{name}"
CACHE_URL = "redis://{user}:{password}@valkey:6379/0"
# A role of PostgreSQL has one password, so that a service has two roles (deploy/provision.py).
SECOND = "_b"


def complete_secret_files() -> bool:
    """Write the files from `.env`; return whether the folder is new.

    With ENV_FILE nothing is written, because Compose reads `.env` only.
    """
    path = ROOT / ".env"
    if env_file() != path or not path.exists():
        return False
    is_new = not FOLDER.exists()
    FOLDER.mkdir(FOLDER_MODE, exist_ok=True)
    FOLDER.chmod(FOLDER_MODE)
    for name, value in wanted(read_text(path)):
        if value != current(name) or not (FOLDER / name).is_file():
            write(name, value)
    return is_new


def write(name: str, value: str) -> None:
    """Write a file in one piece and in place, so that containers that run see the new content."""
    path: Path = FOLDER / name
    path.touch()
    path.chmod(FILE_MODE)
    # Not truncated first: a reader never sees an empty file.
    with path.open("r+b") as file:
        file.write(value.encode())
        file.truncate()


def wanted(env: str) -> Iterator[tuple[str, str]]:
    """Yield name and content of each file, from the text of `.env`."""
    values = variables(env)
    for name in ADMINISTRATORS:
        yield name, current(name) or new_secret()
    urls = {"DATABASE_URL": DATABASE_URL}
    yield from of_service(AUTHORIZATION_SERVER, values, ["SECRET_KEY", "AUDIT_KEY"], urls)
    for server in resource_servers():
        own = ["SECRET_KEY", "INTROSPECTION_CLIENT_SECRET"]
        yield from of_service(server, values, own, urls | {"CACHE_URL": CACHE_URL})
        names = names_of_issuers(server, values)
        yield f"{server.prefix}_ISSUERS.env", "".join(lines_of(env, names))
    yield "clients.env", "".join(lines_of(env, names_of_clients()))
    yield "AUTHORIZATION_SERVER.env", "".join(lines_of(env, OPTIONAL))
    yield "METRICS_TOKEN", value_of("METRICS_TOKEN", values)  # of Prometheus


def of_service(
    service: Service, values: dict[str, str], suffixes: list[str], urls: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the files of one service: its secrets, and the URLs of its database and cache."""
    for suffix in suffixes:
        name = f"{service.prefix}_{suffix}"
        yield name, value_of(name, values)
    for suffix, form in urls.items():
        name = f"{service.prefix}_{suffix}"
        yield name, value_of(name, values) or kept_url(name, form, service.name)


def names_of_clients() -> re.Pattern[str]:
    """Return a pattern for the variables that `ensure_clients` and `ensure_demo_user` read."""
    clients = [*read_toml(AUTHORIZATION_SERVER.folder / "clients.toml")]
    clients += [f"{server.name}-introspection" for server in resource_servers()]
    prefixes = "|".join(map(env_prefix, clients))
    return re.compile(
        rf"DEMO_USERNAME|DEMO_PASSWORD|(?:{prefixes})_CLIENT_(?:ID|SECRET(?:_FALLBACK)?)"
    )


def names_of_issuers(server: Service, values: dict[str, str]) -> re.Pattern[str]:
    """Return a pattern for the variables of the issuers of `server`, and of its metrics.

    It excludes the options of the bundled authorization server, which stand in compose.yml.
    """
    others = [*filter(lambda name: name != "authorization_server", preset_names(server, values))]
    names = ["METRICS_TOKEN", "ISSUERS", "ISSUERS_CONFIG"]
    names += [rf"{re.escape(env_prefix(one))}_\w+" for one in others]
    for table in issuer_tables(server, values):
        names += [re.escape(str(table[key])) for key in table if key.endswith("_variable")]
    return re.compile(rf"(?:{server.prefix}_)?(?:{'|'.join(names)})")


def own_environment(
    service: Service | None, values: dict[str, str], *, registers: bool = False
) -> dict[str, str]:
    """Return `values` without the secrets and the issuers of other services.

    Args:
        service: None for a process that belongs to no service.
        registers: Whether the process makes clients and people, and needs their secrets.
    """
    servers = resource_servers()
    # The longest prefix first: ORDER_HISTORY_SECRET_KEY is not of the service `order`.
    services = sorted([AUTHORIZATION_SERVER, *servers], key=lambda one: -len(one.prefix))
    issuers = [(server, names_of_issuers(server, values)) for server in servers]
    issuers.append((AUTHORIZATION_SERVER, OPTIONAL))

    def is_own(variable: str) -> bool:
        name = variable.removesuffix("_FILE")
        if owners := {server for server, names in issuers if names.fullmatch(name)}:
            return service in owners
        first = next((one for one in services if name.startswith(f"{one.prefix}_")), None)
        if first and SECRET.fullmatch(name.removeprefix(first.prefix)):
            owners = {first}
        elif name == "OIDC_RSA_PRIVATE_KEY":
            owners = {AUTHORIZATION_SERVER}
        if name.endswith("_CLIENT_SECRET_FALLBACK"):
            return registers
        if name == "DEMO_PASSWORD" or name.endswith("_CLIENT_SECRET"):
            return registers or service in owners
        return service in owners or not owners

    return {name: value for name, value in values.items() if is_own(name)}


def lines_of(env: str, names: re.Pattern[str]) -> Iterator[str]:
    """Yield the lines of `.env` for some names; a NAME_FILE becomes a NAME with its content."""
    for name, value, lines in assignments(env):
        if name.endswith("_FILE") and names.fullmatch(name.removesuffix("_FILE")):
            yield f"{name.removesuffix('_FILE')}={content_of(value)}\n"
        elif names.fullmatch(name):
            yield f"{lines.splitlines()[-1]}\n"


def kept_url(name: str, form: str, service: str) -> str:
    """Return the URL that was generated before, or a new one if the file holds another URL.

    During a rotation there are two: the service uses the first, and both are accepted.
    """
    kept = current(name)
    parts = {"name": service, "user": f"{service}(?:{SECOND})?", "password": "[A-Za-z0-9_-]+"}
    url = form.format(**parts)  # No other part of a pattern: names are of a-z, 0-9 and '-'.
    if re.fullmatch(f"{url}(?:\n{url})?", kept):
        return kept
    return form.format(name=service, user=service, password=new_secret())


def next_url(url: str) -> str:
    """Return the URL with a new password, and for PostgreSQL with the other role."""
    scheme, _, rest = url.partition("://")
    credentials, _, where = rest.rpartition("@")
    user = credentials.partition(":")[0]
    if scheme == "postgres":
        user = user.removesuffix(SECOND) if user.endswith(SECOND) else f"{user}{SECOND}"
    return f"{scheme}://{user}:{new_secret()}@{where}"


def value_of(name: str, values: dict[str, str]) -> str:
    """Return a variable of `.env`, or the content of its NAME_FILE; "" without both."""
    path = values.get(f"{name}_FILE")
    return content_of(path) if path else values.get(name, "")


def content_of(path: str) -> str:
    """Return the text of a file; "" if it is missing, which the service then reports."""
    file = ROOT / path
    return read_text(file).strip() if file.is_file() else ""


def current(name: str) -> str:
    """Return the text of a file in `.secrets/`; "" if it is missing."""
    path: Path = FOLDER / name
    return read_text(path) if path.is_file() else ""


def new_secret() -> str:
    """Return today's date, by which it is known how old the secret is, and 384 random bits."""
    import secrets  # Here, because `make run` keeps 4 MB of OpenSSL with it.

    # 73 URL-safe characters: Django warns of a SECRET_KEY below 50.
    return f"{time.strftime('%Y%m%d', time.gmtime())}-{secrets.token_urlsafe(48)}"
