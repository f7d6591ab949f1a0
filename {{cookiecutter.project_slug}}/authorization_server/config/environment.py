"""Read what the environment says. Every value has a type, and a bad one gets a clear sentence.

Any NAME can be given as NAME_FILE, the path of a file that holds the value. Imports no app.
"""

import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

# The variables of the process, the value of NAME_FILE before that of NAME.
ENVIRON = FileAwareMapping(cache=False)
FLAGS = {"true": True, "false": False}
SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"
BASE_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?", re.IGNORECASE)


def read_env_file(default: Path) -> None:
    """Read ENV_FILE, or `default` where it is unset; "" reads none. What is set already stays."""
    name = os.environ.get("ENV_FILE")
    if name == "":
        return
    path = Path(name) if name else default
    if name and not path.is_file():
        raise ImproperlyConfigured(f"ENV_FILE names {path}, and there is no such file.")
    if path.is_file():
        environ.Env.read_env(path)


def text(name: str, default: str | None = None) -> str:
    """Return the value of `name` without the blanks around it, `default` where there is none.

    Raises:
        ImproperlyConfigured: there is no `default` either, or NAME_FILE cannot be read.
    """
    try:
        value = ENVIRON.get(name, "").strip() or default
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from None
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set.")
    return value


def words(name: str) -> list[str]:
    """Return the parts of a value with commas between them."""
    return [word for word in re.split(r"[\s,]+", text(name, "")) if word]


def choice(name: str, values: Sequence[str]) -> str:
    """Return one of `values`: the first one where `name` is not set."""
    value = text(name, values[0])
    if value not in values:
        raise ImproperlyConfigured(f"{name} is {value!r}, not {' or '.join(values)}.")
    return value


def flag(name: str) -> bool:
    """Return whether `name` is ``true``. Unset is false; anything but the two words is refused."""
    value = text(name, "false").lower()
    if value not in FLAGS:
        raise ImproperlyConfigured(f"{name} is {value!r}, not true or false.")
    return FLAGS[value]


def number(name: str, default: int) -> int:
    """Return a whole number that is not negative."""
    value = text(name, str(default))
    if not re.fullmatch(r"\d{1,9}", value):
        raise ImproperlyConfigured(f"{name} is {value!r}, not a whole number.")
    return int(value)


def secret(name: str) -> str:
    """Return a secret. One that is missing, short or an example is refused in every environment."""
    value = text(name, "")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set: scripts/init_env.py makes one.")
    if value.startswith("change-me"):
        raise ImproperlyConfigured(f"{name} is still the example value: make one of your own.")
    if len(value) < 32 or len(set(value)) < 10:
        raise ImproperlyConfigured(f"{name} is too easy to guess: take 32 random characters.")
    return value


def base_url(name: str, default: str | None = None) -> str:
    """Return ``scheme://host[:port]``, to which paths that begin with ``/`` are added."""
    value = text(name, default)
    if not BASE_URL.fullmatch(value):
        raise ImproperlyConfigured(
            f"{name} is {value!r}, not http(s):// and a host, with no path and no slash at the end."
        )
    return value.lower()


def host_of(url: str) -> str:
    """Return the host of a base URL as ALLOWED_HOSTS writes it, an IPv6 address in brackets."""
    match = BASE_URL.fullmatch(url)
    return match[2] if match else ""


def database(name: str, default: Path) -> dict[str, object]:
    """Return an entry of DATABASES: the one that the URL in `name` describes, or an SQLite file.

    Raises:
        ImproperlyConfigured: it describes none. The URL has a password, and is not shown.
    """
    if url := text(name, ""):
        try:
            # Of anything else it would warn, and show it.
            config = environ.Env.db_url_config(url) if urlsplit(url).scheme else {}
            config["ENGINE"]
        except (LookupError, ValueError):
            example = "postgres://USER:PASSWORD@HOST:5432/NAME"
            raise ImproperlyConfigured(
                f"{name} is not the URL of a database, such as {example}."
            ) from None
    else:
        default.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = {"ENGINE": SQLITE, "NAME": default}
    config |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": config["ENGINE"] != SQLITE}
    if config["ENGINE"] == POSTGRESQL:
        # `introspection.lookup` has its query planned once for each connection, unless this is
        # `none`, for a pooler that keeps no prepared statements.
        options = {"prepare_threshold": 1} | config.get("OPTIONS", {})
        if options["prepare_threshold"] == "none":
            options["prepare_threshold"] = None
        config["OPTIONS"] = options
    if config["ENGINE"] == SQLITE:
        # Readers never wait for the writer (WAL), and a writer waits for the one before it, up to
        # `timeout` seconds: IMMEDIATE makes it queue, where a deferred one would fail at once.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        }
    return config


def project(path: Path) -> tuple[str, str]:
    """Return the name and the contact address that ``project.toml`` has for the pages.

    A file that is missing or not valid is no reason not to start.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        values = {}
    return values.get("name", "Authorization server"), values.get("contact_email", "")


def signing_key(default: Path) -> tuple[Path, str]:
    """Return where the key that signs ID tokens belongs, and the key (PEM), "" while there is none.

    OIDC_RSA_PRIVATE_KEY_FILE names the place, where the file may still have to be made; a key in
    OIDC_RSA_PRIVATE_KEY is used where there is no file.
    """
    path = Path(os.environ.get("OIDC_RSA_PRIVATE_KEY_FILE") or default)
    try:
        return path, path.read_text("ascii")
    except FileNotFoundError:
        return path, os.environ.get("OIDC_RSA_PRIVATE_KEY", "").replace("\\n", "\n")
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"{path} cannot be read: {error}") from None
