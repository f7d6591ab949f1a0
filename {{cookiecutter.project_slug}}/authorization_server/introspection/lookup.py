"""The one query: a token with its owner and its client, and the row of who asks for it.

It is written by hand, and goes around Django's cursor where the database is PostgreSQL: to build,
bind and read it the usual ways takes longer than to answer it. Connections are Django's.
"""

import hashlib
import threading
from typing import Any, NamedTuple

from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn

# Every condition is a unique index.
QUERY = """
SELECT asking.client_secret, caller.resource_server,
       token.scope, CAST(token.resource AS text), {expires}, {created}, application.client_id,
       CASE WHEN registration.is_active AND (token.user_id IS NULL OR owner.is_active)
            THEN 1 ELSE 0 END,
       token.user_id, owner.email
FROM client_registry_registeredclient AS caller
JOIN oauth2_provider_application AS asking ON asking.id = caller.application_id
LEFT JOIN oauth2_provider_accesstoken AS token ON token.token_checksum = {digest}
LEFT JOIN oauth2_provider_application AS application ON application.id = token.application_id
LEFT JOIN client_registry_registeredclient AS registration
       ON registration.application_id = token.application_id
LEFT JOIN accounts_user AS owner ON owner.id = token.user_id
WHERE caller.application_id = {application_id}
  AND caller.is_active AND asking.client_type = 'confidential'
"""
POSTGRESQL = {
    "expires": "floor(extract(epoch FROM token.expires))::bigint",
    "created": "floor(extract(epoch FROM token.created))::bigint",
}
SQLITE = {
    "expires": "strftime('%%s', token.expires)",
    "created": "strftime('%%s', token.created)",
}
STATEMENT = QUERY.format(digest="$1", application_id="$2", **POSTGRESQL).encode()
NAME = b"introspection"

_thread = threading.local()


class Row(NamedTuple):
    """What the query returns, in its order; without a token, all from `scope` on is None or 0.

    Times are Unix seconds. `user_id` is a UUID in one of its spellings, `resource` is JSON, and
    `is_active` says whether neither the owner nor the client is switched off.
    """

    client_secret: str
    resource_server: str
    scope: str | None
    resource: str
    expires: str
    created: str
    client_id: str
    is_active: str | int
    user_id: Any
    username: str | None


def renew_connection() -> None:
    """Close a connection that is broken or too old, as Django does where a request begins."""
    connection = connections["default"]
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def look_up(token: str, application_id: int) -> Row | None:
    """Return what is known of `token` and of the caller; None where there is no such caller."""
    parameters = (hashlib.sha256(token.encode()).hexdigest(), str(application_id))
    connection = connections["default"]
    try:
        row = fetch(connection, parameters)
    except (DatabaseError, InterfaceError):
        if connection.in_atomic_block:
            raise
        # The database was started again, or a table has changed, and this connection is to the one
        # before. To look for that by a query before each would double what all the others cost.
        connection.close()
        row = fetch(connection, parameters)
    return Row._make(row) if row else None


def fetch(connection: BaseDatabaseWrapper, parameters: tuple[str, str]) -> Any:
    """Return the first row of the query."""
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        if connection.connection.prepare_threshold is not None:
            return fetch_prepared(connection.connection.pgconn, parameters)
    dialect = POSTGRESQL if connection.vendor == "postgresql" else SQLITE
    with connection.cursor() as cursor:
        cursor.execute(QUERY.format(digest="%s", application_id="%s", **dialect), parameters)
        return cursor.fetchone()


def fetch_prepared(pgconn: PGconn, parameters: tuple[str, str]) -> list[str | None] | None:
    """Return the first row of a statement that the server has planned once for this connection.

    ``?prepare_threshold=none`` in the database's URL says not to, for a pooler between the two that
    keeps no prepared statements.
    """
    if getattr(_thread, "pgconn", None) is not pgconn:
        check(pgconn.prepare(NAME, STATEMENT), ExecStatus.COMMAND_OK)
        _thread.pgconn = pgconn
    result = pgconn.exec_prepared(NAME, [value.encode() for value in parameters])
    check(result, ExecStatus.TUPLES_OK)
    if not result.ntuples:
        return None
    values = [result.get_value(0, column) for column in range(result.nfields)]
    return [None if value is None else value.decode() for value in values]


def check(result: Any, expected: ExecStatus) -> None:
    """Raise what Django would where the server has not done it."""
    if result.status != expected:
        raise OperationalError(result.error_message.decode(errors="replace"))
