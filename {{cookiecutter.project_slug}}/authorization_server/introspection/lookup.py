"""The one query: a token with its owner and its client, and the row of who asks for it."""

import hashlib
import threading
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Cursor

# By hand, because Django takes longer to build and read such a query than the database to answer
# it. Every condition is a unique index.
QUERY = """
SELECT asking.client_secret, caller.resource_server,
       token.scope, token.resource, token.expires, token.created,
       application.client_id, registration.is_active,
       token.user_id, owner.email, owner.is_active
FROM client_registry_registeredclient AS caller
JOIN oauth2_provider_application AS asking ON asking.id = caller.application_id
LEFT JOIN oauth2_provider_accesstoken AS token ON token.token_checksum = %s
LEFT JOIN oauth2_provider_application AS application ON application.id = token.application_id
LEFT JOIN client_registry_registeredclient AS registration
       ON registration.application_id = token.application_id
LEFT JOIN accounts_user AS owner ON owner.id = token.user_id
WHERE caller.application_id = %s AND caller.is_active AND asking.client_type = 'confidential'
"""

_thread = threading.local()


class Row(NamedTuple):
    """What the query returns, in its order; without a token, all from `scope` on is None.

    Values are as the driver yields them: SQLite has texts for times, UUIDs and JSON.
    """

    client_secret: str
    resource_server: str
    scope: str | None
    resource: Any
    expires: Any
    created: Any
    client_id: str | None
    client_is_active: bool | None
    user_id: Any
    username: str | None
    user_is_active: bool | None


def look_up(token: str, application_id: int) -> Row | None:
    """Return what is known of `token` and of the caller; None where there is no such caller."""
    parameters = (hashlib.sha256(token.encode()).hexdigest(), application_id)
    connection = connections["default"]
    try:
        row = fetch(connection, parameters)
    except (InterfaceError, OperationalError):
        if connection.in_atomic_block:
            raise
        # The database was started again, and this connection is to the one before. To look for
        # that by a query before each query would double what all the others cost.
        connection.close()
        row = fetch(connection, parameters)
    return row and Row._make(row)


def fetch(connection: BaseDatabaseWrapper, parameters: tuple[str, int]) -> Any:
    """Return the first row of the query.

    Django's cursors for PostgreSQL put the values into the text, so that the server plans it anew
    each time. One of psycopg prepares it; ``?prepare_threshold=none`` in the database's URL
    says not to, for a pooler that keeps no prepared statements.
    """
    if connection.vendor != "postgresql":
        with connection.cursor() as django_cursor:
            django_cursor.execute(QUERY, parameters)
            return django_cursor.fetchone()
    with connection.wrap_database_errors:
        connection.ensure_connection()
        cursor: Cursor | None = getattr(_thread, "cursor", None)
        if cursor is None or cursor.connection is not connection.connection:
            cursor = _thread.cursor = Cursor(connection.connection)
        return cursor.execute(QUERY, parameters, binary=True).fetchone()


def unix_time(value: datetime | str) -> float:
    """Return a time of the database in Unix seconds."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.timestamp()
