"""Create the role, database and cache user of a service: ``python deploy/provision.py orders``.

``ORDERS_DATABASE_URL`` names the role and its database, ``ORDERS_CACHE_URL`` the user of Valkey.
Each gets only the rights that the service needs. This runs before each start of the service, and so
also provisions a resource server that is added later, and applies a changed password. Each NAME is
read from the file that NAME_FILE names; no value is ever printed. In a rotation the file has two
URLs. Both are accepted, and no other one.

A role has one password, so that the database of `orders` has two roles: its owner `orders`, and
`orders_b`, which acts as `orders` from the moment that it is connected.

A host other than the platform's own ``postgres`` or ``valkey`` is not changed.
"""

import os
import sys
from hashlib import sha256
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg
import redis
from psycopg import sql

ADMINISTRATOR_REFUSED = """\
postgres refuses .secrets/POSTGRES_PASSWORD: the volume was made with another password.
To keep the data and set this password, run
  docker compose up --detach --wait --no-deps --force-recreate postgres
  docker compose exec postgres psql --file /etc/platform/set_password.sql
To throw all data away instead, run
  docker compose down --volumes
then `docker compose up` again."""
CACHE_ADMINISTRATOR_REFUSED = (
    "valkey refuses .secrets/VALKEY_PASSWORD: it was started with another password. "
    "Run `docker compose up --detach --force-recreate valkey`, then `docker compose up` again."
)
# A service must not use these: restricting them to the rights of a service would lock us out.
ADMINISTRATORS = ("", "postgres", "admin", "default")
TIMEOUT_SECONDS = 10
# Several services are provisioned concurrently; the catalogues of the cluster need one at a time.
LOCK = 7662
# Of the second role.
SECOND = "_b"
NOT_MORE = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD"
# The commands of Django's cache framework, except those that list or empty the whole server.
CACHE_COMMANDS = [
    *("get", "set", "mget", "mset", "del", "exists", "expire", "persist", "incrby"),
    *("multi", "exec", "ping", "hello", "client|setinfo"),
]


def main() -> None:
    """Provision the service that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python deploy/provision.py NAME, with NAME_DATABASE_URL in a file")
    name = sys.argv[1]
    prefix = name.upper().replace("-", "_")
    databases = [*map(urlsplit, value(f"{prefix}_DATABASE_URL").split())]
    if databases and all(is_ours(name, url, "postgres") for url in databases):
        provision_database(name, databases)
    caches = [*map(urlsplit, value(f"{prefix}_CACHE_URL").split())]
    if caches and all(is_ours(name, url, "valkey") for url in caches):
        provision_cache(name, caches)


def value(name: str) -> str:
    """Return the content of the file that NAME_FILE names; "" without NAME_FILE."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text(encoding="utf-8").strip() if path else ""


def is_ours(name: str, url: SplitResult, host: str) -> bool:
    """Return whether a URL names the `host` of this platform; print a line if it does not."""
    if url.hostname and url.hostname != host:
        print(f"{name}: {url.hostname} is not part of this platform, and is not changed")
    if url.hostname == host and unquote(url.username or "") in ADMINISTRATORS:
        sys.exit(
            f"{name}: its URL for {host} names an administrator. Delete it from .env and run "
            "`python3 scripts/init_env.py`, which generates one."
        )
    return url.hostname == host


def provision_database(name: str, urls: list[SplitResult]) -> None:
    """Create the roles and the database of some URLs, or restore their rights."""
    url = urls[0]
    passwords = {unquote(one.username or ""): unquote(one.password or "") for one in urls}
    owner = next(iter(passwords)).removesuffix(SECOND)
    database = unquote(url.path.lstrip("/"))
    try:
        connection = psycopg.connect(
            host=url.hostname,
            port=url.port or 5432,
            user="postgres",
            password=value("POSTGRES_PASSWORD"),
            dbname="postgres",
            autocommit=True,
            connect_timeout=TIMEOUT_SECONDS,
        )
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            sys.exit(ADMINISTRATOR_REFUSED)
        raise
    with connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        for role in owner, f"{owner}{SECOND}":
            ensure_role(connection, role, passwords.get(role))
        names = {"owner": sql.Identifier(owner), "role": sql.Identifier(f"{owner}{SECOND}")}
        for statement in "GRANT {owner} TO {role}", "ALTER ROLE {role} SET role TO {owner}":
            connection.execute(sql.SQL(statement).format(**names))
        ensure_database(connection, database, owner)
    print(f"{name}: role {' and '.join(passwords)} and database {database} are ready")


def ensure_role(connection: psycopg.Connection, role: str, password: str | None) -> None:
    """Create or alter a role that may only log in, or without a password not even that."""
    verifier = b""
    if password:  # Of which the server gets a verifier.
        verifier = connection.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        )
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    verb, login = "ALTER" if found is not None else "CREATE", "LOGIN" if password else "NOLOGIN"
    statement = sql.SQL(f"{verb} ROLE {{}} {login} {NOT_MORE} {{}}")
    secret = verifier.decode() or None
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(secret)))


def ensure_database(connection: psycopg.Connection, database: str, owner: str) -> None:
    """Create a database that belongs to `owner` and to which no other role may connect."""
    names = {"database": sql.Identifier(database), "owner": sql.Identifier(owner)}
    found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone()
    if found is None:
        connection.execute(sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names))
    connection.execute(sql.SQL("ALTER DATABASE {database} OWNER TO {owner}").format(**names))
    closed = sql.SQL(", ").join(map(sql.Identifier, [database, "postgres", "template1"]))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(closed))


def provision_cache(name: str, urls: list[SplitResult]) -> None:
    """Create a user that may read and write only keys with the name of the service as prefix."""
    url = urls[0]
    user, passwords = unquote(url.username or ""), [unquote(one.password or "") for one in urls]
    digests = [f"#{sha256(password.encode()).hexdigest()}" for password in passwords]
    client = redis.Redis(
        host=url.hostname or "",
        port=url.port or 6379,
        username="admin",
        password=value("VALKEY_PASSWORD"),
        socket_timeout=TIMEOUT_SECONDS,
    )
    rules = ["reset", "on", *digests, f"~{name}:*", "-@all"]
    try:
        # As text: redis-py's acl_setuser() cannot set a password by its digest.
        client.execute_command("ACL", "SETUSER", user, *rules, *(f"+{c}" for c in CACHE_COMMANDS))
        client.execute_command("ACL", "SAVE")
    except redis.AuthenticationError:
        sys.exit(CACHE_ADMINISTRATOR_REFUSED)
    print(f"{name}: user {user} of valkey is ready")


if __name__ == "__main__":
    try:
        main()
    except (psycopg.Error, redis.RedisError, OSError) as fault:
        sys.exit(f"{sys.argv[1]} cannot be provisioned: {' '.join(str(fault).split())}")
