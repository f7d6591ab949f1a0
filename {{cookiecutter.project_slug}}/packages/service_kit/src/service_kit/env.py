"""Read settings from the environment and ``.env``, with one function per kind of value.

Any NAME may be given as NAME_FILE, the path of a file that holds the value. An empty value counts
as unset. Every function raises `ImproperlyConfigured` with one sentence that names the variable.
"""

import io
import os
import re
import stat
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django
import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

ENVIRON = FileAwareMapping(cache=False)
ASSIGNMENT = re.compile(r"(?:export )?[A-Za-z_0-9]+=.*")
BASE_URL = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?")
# As browsers send it (RFC 6454 section 6.2): without the default port.
ORIGIN = re.compile(rf"(?!https:.*:443$|http:.*:80$){BASE_URL.pattern}")
SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "service_kit.postgresql"
# A host that has vanished holds a thread for these times: seconds to connect, milliseconds without
# an acknowledgement of what was sent.
POSTGRESQL_OPTIONS = {"connect_timeout": 3, "tcp_user_timeout": 10_000}
SQLITE_OPTIONS = {
    # Readers do not wait for the writer (WAL). A writer waits up to `timeout` seconds for another
    # one: IMMEDIATE makes it queue where a deferred transaction would fail.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
}

MAIL_TIMEOUT = 10  # seconds; a mail is sent while its page waits


def read_env_file(default: Path) -> None:
    """Read ENV_FILE, or `default` if ENV_FILE is unset; an empty ENV_FILE reads no file.

    Variables that are set already keep their values. `default` may be missing.
    """
    name = os.environ.get("ENV_FILE")
    path = Path(name) if name else default
    if name == "" or (name is None and not path.exists()):
        return
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"The env file {path} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        # The line may hold a secret, so the message does not show it.
        if line and not line.startswith("#") and not ASSIGNMENT.fullmatch(line):
            raise ImproperlyConfigured(f"{path}, line {number}: expected NAME=value or a comment.")
    environ.Env.read_env(io.StringIO("\n".join(lines)))


def text(name: str, default: str | None = None) -> str:
    """Return the value of `name` without surrounding blanks; `default` None makes it required."""
    try:
        value = ENVIRON.get(name, "").strip() or default
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from None
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set.")
    return value


def url(name: str) -> str:
    """Return the URL in `name`; "" if it is unset. In a rotation, a second one is accepted too."""
    return text(name, "").partition("\n")[0].strip()


def words(name: str) -> list[str]:
    """Return the items of a list that is separated by commas or blanks."""
    return [word for word in re.split(r"[\s,]+", text(name, "")) if word]


def choice(name: str, *values: str) -> str:
    """Return the one of `values` that `name` holds in any case; the first if it is unset."""
    given = text(name, values[0])
    for value in values:
        if value.lower() == given.lower():
            return value
    raise ImproperlyConfigured(f"{name}: expected {' or '.join(values)}, got {given!r}.")


def flag(name: str) -> bool:
    """Return whether `name` is ``true``; unset is false."""
    return choice(name, "false", "true") == "true"


def debug(*, production: bool) -> bool:
    """Return DEBUG, which production refuses."""
    if flag("DEBUG") and production:
        raise ImproperlyConfigured("DEBUG=true publishes settings: it is for development only.")
    return flag("DEBUG")


def number(name: str, default: int, *, minimum: int = 0) -> int:
    """Return a whole number of at least `minimum`."""
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < minimum:
        raise ImproperlyConfigured(
            f"{name}: expected a whole number of at least {minimum}, got {value!r}."
        )
    return int(value)


def secret(name: str) -> str:
    """Return a secret. A missing, short or example value is refused in every environment."""
    value = text(name, "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set: add {name}=change-me to .env.example, and run `make install`."
        )
    if value.startswith("change-me"):
        raise ImproperlyConfigured(f"{name} still has its example value: set a random one.")
    if len(value) < 32 or len(set(value)) < 10:
        raise ImproperlyConfigured(f"{name} is too easy to guess: use 32 random characters.")
    return value


def base_url(name: str, default: str | None = None, *, https_only: bool = False) -> str:
    """Return ``scheme://host[:port]`` in lower case and without a slash at the end.

    Issuers are compared character by character, so every service must read the same spelling.
    """
    given = text(name, default)
    url = given.lower().removesuffix("/")
    if not BASE_URL.fullmatch(url):
        raise ImproperlyConfigured(
            f"{name}: expected http(s)://host[:port] without a path, got {given!r}."
        )
    if https_only and not url.startswith("https://"):
        raise ImproperlyConfigured(f"{name} must begin with https:// in production, got {given!r}.")
    return url


def origins(name: str, *, https_only: bool) -> list[str]:
    """Return the origins that `name` lists; [] if it is unset."""
    listed = words(name)
    for origin in listed:
        if not ORIGIN.fullmatch(origin) or (https_only and not origin.startswith("https://")):
            scheme = "https" if https_only else "http(s)"
            raise ImproperlyConfigured(
                f"{name}: expected {scheme}://host[:port] as browsers send it, in lower case and "
                f"without a path, got {origin!r}."
            )
    return listed


def allowed_hosts(name: str, *urls: str, local: bool) -> list[str]:
    """Return the hosts of base URLs, those that `name` lists, and with `local` this machine's."""
    hosts = [match[2] for url in urls if (match := BASE_URL.fullmatch(url))]
    return [*hosts, *words(name), *(("localhost", "127.0.0.1", "[::1]") if local else ())]


def is_traced() -> bool:
    """Return whether OTEL_EXPORTER_OTLP_ENDPOINT is set; refuse it without its packages."""
    if not text("OTEL_EXPORTER_OTLP_ENDPOINT", ""):
        return False
    if find_spec("opentelemetry") is None:
        raise ImproperlyConfigured(
            'OTEL_EXPORTER_OTLP_ENDPOINT needs "opentelemetry" in default-groups of pyproject.toml.'
        )
    return True


def database(name: str, default: Path) -> dict[str, Any]:
    """Return an entry of DATABASES for the URL in `name`; the SQLite file `default` if unset.

    The URL has a password in it, so no message shows it.
    """
    config: dict[str, Any] = {"ENGINE": SQLITE, "NAME": default}
    if given := url(name):
        try:
            # environ warns of an unknown scheme, with the password in the warning.
            if urlsplit(given).scheme not in environ.Env.DB_SCHEMES:
                raise ValueError
            config = environ.Env.db_url_config(given)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name}: expected the URL of a database, "
                "such as postgres://USER:PASSWORD@HOST:5432/NAME."
            ) from None
    if config["ENGINE"] == SQLITE:
        if config["NAME"] != ":memory:":
            is_default = not (given or text("DATA_DIR", ""))
            make_private(Path(config["NAME"]), is_default=is_default)
        return config | {"CONN_MAX_AGE": 60, "OPTIONS": SQLITE_OPTIONS}
    config |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    if config["ENGINE"] == "django.db.backends.postgresql":
        config |= {"ENGINE": POSTGRESQL, "VARIABLE": name}
        # psycopg prepares a query at its second execution. `?prepare_threshold=none` is for poolers
        # in transaction mode: nothing is kept in a connection, neither statements nor cursors.
        options = {"prepare_threshold": 1, **POSTGRESQL_OPTIONS} | config.get("OPTIONS", {})
        if options["prepare_threshold"] == "none":
            options["prepare_threshold"] = None
            config["DISABLE_SERVER_SIDE_CURSORS"] = True
        config["OPTIONS"] = options
    return config


def make_private(path: Path, *, is_default: bool) -> None:
    """Make the SQLite database `path` if it is missing, and close it to other users.

    A new folder gets mode 0700. An older one gets it if it is the default folder; the mode of a
    folder that a variable names is left alone, as are files of another user.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if is_default:
            restrict(path.parent, 0o700)
    if not path.exists():
        path.touch(mode=0o600)
    # SQLite makes `-wal`, `-shm` and `-journal` with the mode of the database.
    for file in path.parent.glob(f"{path.name}*"):
        restrict(file, 0o600)


def restrict(path: Path, mode: int) -> None:
    """Change the mode of `path`, if it exists and belongs to this user."""
    with suppress(OSError):
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)


def redis_cache(name: str, *, key_prefix: str) -> dict[str, Any] | None:
    """Return an entry of CACHES for the URL in `name`, which has a password; None if it is unset.

    The server can restrict its user to keys that begin with `key_prefix`.
    """
    location = urlsplit(url(name))
    if not location.geturl():
        return None
    if location.scheme not in ("redis", "rediss"):
        raise ImproperlyConfigured(
            f"{name}: expected a URL that begins with redis:// or rediss://."
        )
    options: dict[str, Any] = {"socket_connect_timeout": 0.25, "socket_timeout": 0.25}
    # With Django's default, pickle, write access to the cache would run code here.
    options["serializer"] = "django.core.signing.JSONSerializer"
    if location.password:
        options["credential_provider"] = CacheCredentials(name)
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": location._replace(netloc=location.netloc.rpartition("@")[2]).geturl(),
        "KEY_PREFIX": key_prefix,
        "OPTIONS": options,
    }


class CacheCredentials:
    """A ``redis.CredentialProvider``: each connection uses the password of now.

    It is no subclass, because settings import no client of a cache.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def get_credentials(self) -> tuple[str, str]:
        """Return the user and the password in the URL."""
        parts = urlsplit(url(self.name))
        return unquote(parts.username or ""), unquote(parts.password or "")


def mail(name: str, default: str) -> dict[str, Any]:
    """Return the settings of mail for the URL in `name`; for the backend `default` if unset.

    The URL has a password in it, so no message shows it.
    """
    url, config = text(name, ""), {"EMAIL_BACKEND": default}
    options: dict[str, Any] = {}
    if url:
        if urlsplit(url).scheme in environ.Env.EMAIL_SCHEMES:
            config = environ.Env.email_url_config(url)
        if not config.get("EMAIL_HOST"):
            raise ImproperlyConfigured(
                f"{name}: expected the URL of a mail server, "
                "such as smtp+tls://USER:PASSWORD@HOST:587."
            )
        use_tls, use_ssl = (config.get(f"EMAIL_USE_{kind}", False) for kind in ("TLS", "SSL"))
        options = {
            "host": config["EMAIL_HOST"],
            "port": config["EMAIL_PORT"] or (465 if use_ssl else 587 if use_tls else 25),
            "username": config["EMAIL_HOST_USER"] or "",
            "password": config["EMAIL_HOST_PASSWORD"] or "",
            "use_tls": use_tls,
            "use_ssl": use_ssl,
            "timeout": MAIL_TIMEOUT,
        }
    if django.VERSION >= (6, 1):
        return {"MAILERS": {"default": {"BACKEND": config["EMAIL_BACKEND"], "OPTIONS": options}}}
    names = {"username": "HOST_USER", "password": "HOST_PASSWORD"}
    return {"EMAIL_BACKEND": config["EMAIL_BACKEND"]} | {
        f"EMAIL_{names.get(key, key.upper())}": value for key, value in options.items()
    }
