"""One query for one introspection: the caller, and the token with its owner and its client.

It is SQL by hand: building, binding and reading it by the ORM takes longer than running it. Here it
is sent over Django's connection, in a thread; `postgresql` sends it without a thread.
"""

import asyncio
import hashlib
from functools import cache, partial
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from client_registry.claims import introspected
from introspection.protocol import BASIC, BEARER, Question, Row
from service_kit.wsgi_bridge import Threads

# Every condition is a unique index.
QUERY = """
SELECT asking.client_secret, caller.resource_server,
       token.scope, CAST(token.resource AS text), {expires}, {created}, application.client_id,
       CAST(registration.scopes AS text),
       CASE WHEN registration.is_active AND (token.user_id IS NULL OR owner.is_active)
            THEN 1 ELSE 0 END,
       token.user_id, owner.email, authentication.auth_time, authentication.acr{claims}
FROM oauth2_provider_application AS asking
JOIN client_registry_registeredclient AS caller ON caller.application_id = asking.id
LEFT JOIN oauth2_provider_accesstoken AS token ON token.token_checksum = {digest}
LEFT JOIN oauth2_provider_application AS application ON application.id = token.application_id
LEFT JOIN client_registry_registeredclient AS registration
       ON registration.application_id = token.application_id
LEFT JOIN accounts_user AS owner ON owner.id = token.user_id
LEFT JOIN oauth2_provider_refreshtoken AS renewal ON renewal.access_token_id = token.id
LEFT JOIN oauth_authentication AS authentication ON authentication.family = renewal.token_family
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

# In each process: connections or threads for the query, and requests that wait for one of them.
CONNECTIONS, MAX_WAITING = 4, 200
# Seconds for an answer, including the wait. A resource server waits for two seconds.
TIMEOUT = 1.5


class Unavailable(Exception):
    """The database does not answer, or too many requests wait for it: the caller may ask again."""

    def __init__(self, reason: str) -> None:
        super().__init__(" ".join(reason.split()))  # libpq's have several lines


@cache
def statement(scheme: str, vendor: str, digest: str = "%s", key: str = "%s") -> str:
    """Return the query for callers that authenticate by `scheme`, with these placeholders."""
    columns = (f', owner."{field.column}"' for _, _, field in introspected())
    return QUERY.format(
        claims="".join(columns),
        condition=CONDITIONS[scheme].format(key=key),
        digest=digest,
        expires=SECONDS[vendor].format("token.expires"),
        created=SECONDS[vendor].format("token.created"),
    )


def parameters(question: Question) -> tuple[str, str]:
    """Return the values of the placeholders: the digest of the token, the key of the caller."""
    return hashlib.sha256(question.token.encode()).hexdigest(), question.credentials.key


def look_up(question: Question) -> Row | None:
    """Return the row for `question`, None where there is no such caller.

    Raises:
        Unavailable: The database does not answer.
    """
    connection = connections["default"]
    if not connection.in_atomic_block:
        # Django does the same where a request begins.
        connection.close_if_unusable_or_obsolete()
    try:
        try:
            row = fetch(connection, question)
        except (DatabaseError, InterfaceError):
            if connection.in_atomic_block:
                raise
            # The database was restarted since this connection was opened. A health check before
            # each query would double the cost of all others.
            connection.close()
            row = fetch(connection, question)
    except (DatabaseError, InterfaceError) as error:
        raise Unavailable(str(error)) from error
    return Row.of(row) if row else None


def fetch(connection: BaseDatabaseWrapper, question: Question) -> Any:
    """Return the first row of the query."""
    with connection.cursor() as cursor:
        sql = statement(question.credentials.scheme, connection.vendor)
        cursor.execute(sql, parameters(question))
        return cursor.fetchone()


class InThreads:
    """`look_up` in a few threads, each of which has a connection of Django."""

    def __init__(self, threads: Threads | None = None) -> None:
        self.threads = threads or Threads(CONNECTIONS)
        self.pending = 0

    async def __call__(self, question: Question) -> Row | None:
        """Return what `look_up` returns; raise `Unavailable` after TIMEOUT, too."""
        if self.pending >= CONNECTIONS + MAX_WAITING:
            raise Unavailable("too many requests wait for the database")
        self.pending += 1
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self.threads.submit(partial(look_up, question), self.ended)
        except TimeoutError:
            raise Unavailable(f"no answer within {TIMEOUT} s") from None

    def ended(self) -> None:
        """Note that a thread is free again, which may be long after the request was given up."""
        self.pending -= 1
