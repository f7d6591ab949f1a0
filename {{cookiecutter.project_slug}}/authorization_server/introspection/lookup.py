"""One query for one introspection: the caller, and the token with its owner and its client.

It is SQL by hand, sent without Django's cursor on PostgreSQL: building, binding and reading it by
the ORM takes longer than running it. Connections are Django's.
"""

import hashlib
import threading
from functools import cache
from typing import Any, NamedTuple

from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn

from introspection.question import BASIC, BEARER, Question

# Every condition is a unique index.
QUERY = """
SELECT asking.client_secret, caller.resource_server,
       token.scope, CAST(token.resource AS text), {expires}, {created}, application.client_id,
       CASE WHEN registration.is_active AND (token.user_id IS NULL OR owner.is_active)
            THEN 1 ELSE 0 END,
       token.user_id, owner.email
FROM oauth2_provider_application AS asking
JOIN client_registry_registeredclient AS caller ON caller.application_id = asking.id
LEFT JOIN oauth2_provider_accesstoken AS token ON token.token_checksum = {digest}
LEFT JOIN oauth2_provider_application AS application ON application.id = token.application_id
LEFT JOIN client_registry_registeredclient AS registration
       ON registration.application_id = token.application_id
LEFT JOIN accounts_user AS owner ON owner.id = token.user_id
WHERE caller.is_active AND asking.client_type = 'confidential' AND asking.{condition}
"""
CONDITIONS = {
    BASIC: "client_id = {key}",
    # A token of the client itself. One that is restricted to resources (RFC 8707) is for them.
    BEARER: """id = (
        SELECT credential.application_id FROM oauth2_provider_accesstoken AS credential
        WHERE credential.token_checksum = {key} AND credential.expires > CURRENT_TIMESTAMP
          AND credential.scope = 'introspection' AND credential.user_id IS NULL
          AND CAST(credential.resource AS text) = '[]')""",
}
# Unix seconds of a column, by the vendor of the database.
SECONDS = {
    "postgresql": "floor(extract(epoch FROM {}))::bigint",
    "sqlite": "strftime('%%s', {})",
}

_thread = threading.local()


@cache
def statement(scheme: str, vendor: str, digest: str = "%s", key: str = "%s") -> str:
    """Return the query for callers that authenticate by `scheme`, with these placeholders."""
    return QUERY.format(
        condition=CONDITIONS[scheme].format(key=key),
        digest=digest,
        expires=SECONDS[vendor].format("token.expires"),
        created=SECONDS[vendor].format("token.created"),
    )


class Row(NamedTuple):
    """The columns of the query. Without a token, all from `scope` on are None or 0.

    Times are Unix seconds, `user_id` is a UUID in one of its spellings, and `resource` is JSON.
    `is_active` is 1 if neither the owner nor the client of the token is deactivated.
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


def look_up(question: Question) -> Row | None:
    """Return the row for `question`, None where there is no such caller."""
    scheme, key, _ = question.credentials
    parameters = hashlib.sha256(question.token.encode()).hexdigest(), key
    connection = connections["default"]
    if not connection.in_atomic_block:
        # Django does the same where a request begins.
        connection.close_if_unusable_or_obsolete()
    try:
        row = fetch(connection, scheme, parameters)
    except (DatabaseError, InterfaceError):
        if connection.in_atomic_block:
            raise
        # The database was restarted, or a table was changed, since this connection was opened. A
        # health check before each query would double the cost of all others.
        connection.close()
        row = fetch(connection, scheme, parameters)
    return Row._make(row) if row else None


def fetch(connection: BaseDatabaseWrapper, scheme: str, parameters: tuple[str, str]) -> Any:
    """Return the first row of the query."""
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        if connection.connection.prepare_threshold is not None:
            return fetch_prepared(connection.connection.pgconn, scheme, parameters)
    with connection.cursor() as cursor:
        cursor.execute(statement(scheme, connection.vendor), parameters)
        return cursor.fetchone()


def fetch_prepared(
    pgconn: PGconn, scheme: str, parameters: tuple[str, str]
) -> list[str | None] | None:
    """Return the first row of a statement that the database plans once for each connection.

    ``?prepare_threshold=none`` in the URL of the database disables it, for a connection pooler
    that does not keep prepared statements.
    """
    if getattr(_thread, "pgconn", None) is not pgconn:
        for name in CONDITIONS:
            sql = statement(name, "postgresql", "$1", "$2")
            result = pgconn.prepare(f"introspection_{name}".encode(), sql.encode())
            check(result, ExecStatus.COMMAND_OK)
        _thread.pgconn = pgconn
    values = [value.encode() for value in parameters]
    result = pgconn.exec_prepared(f"introspection_{scheme}".encode(), values)
    check(result, ExecStatus.TUPLES_OK)
    if not result.ntuples:
        return None
    row = [result.get_value(0, column) for column in range(result.nfields)]
    return [None if value is None else value.decode() for value in row]


def check(result: Any, expected: ExecStatus) -> None:
    """Raise the error of Django unless `result` has the `expected` status."""
    if result.status != expected:
        raise OperationalError(result.error_message.decode(errors="replace"))
