"""The query on PostgreSQL, sent and read on the event loop without a thread.

psycopg connects; libpq (`psycopg.pq`) executes, because a cursor of psycopg takes more CPU than
everything else that an introspection needs. A `Pool` has the connections of a process.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from time import monotonic

import psycopg
from django.db import connections
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.sql import SQL, Identifier

from introspection import lookup
from introspection.lookup import CONDITIONS, Unavailable, statement
from introspection.protocol import Question, Row

STATEMENTS = {scheme: statement(scheme, "postgresql", "$1", "$2").encode() for scheme in CONDITIONS}
# They are planned once for each connection.
NAMES = {scheme: f"introspection_{scheme}".encode() for scheme in CONDITIONS}
# Seconds: for a new connection to be prepared, between two attempts, and as CONN_MAX_AGE of Django.
PREPARE_TIMEOUT, MIN_DELAY, MAX_DELAY, MAX_AGE = 2, 0.1, 1.0, 60
QUERY_CANCELED = b"57014"

logger = logging.getLogger("introspection")


class Query:
    """One execution of the statement, and the future of its row."""

    def __init__(self, pool: "Pool", question: Question) -> None:
        self.scheme = question.credentials.scheme
        self.values = [value.encode() for value in lookup.parameters(question)]
        self.row: asyncio.Future[Row | None] = pool.loop.create_future()
        # It is not cancelled with the request: the connection must become free in time.
        self.timer = pool.loop.call_later(lookup.TIMEOUT, pool.expire, self)
        self.connection: Connection | None = None
        self.is_repeated = False

    def finish(self, outcome: Row | Unavailable | None) -> None:
        """Return or raise `outcome` where the row is awaited, if it still is."""
        self.timer.cancel()
        self.connection = None
        if self.row.done():
            return
        if isinstance(outcome, Unavailable):
            self.row.set_exception(outcome)
        else:
            self.row.set_result(outcome)


class Connection:
    """A connection that executes one query at a time."""

    def __init__(self, pool: "Pool", opened: psycopg.AsyncConnection, *, prepared: bool) -> None:
        self.pool, self.opened, self.prepared = pool, opened, prepared
        self.pgconn, self.socket = opened.pgconn, opened.pgconn.socket
        self.obsolete_at = monotonic() + MAX_AGE
        self.query: Query | None = None
        self.result: PGresult | None = None
        # For as long as it is open: the end of an idle connection is noticed, too.
        pool.loop.add_reader(self.socket, self.read)

    def send(self, query: Query) -> None:
        """Send the query. The pool has the connection again once the result is read."""
        self.query, query.connection = query, self
        try:
            if self.prepared:
                self.pgconn.send_query_prepared(NAMES[query.scheme], query.values)
            else:
                self.pgconn.send_query_params(STATEMENTS[query.scheme], query.values)
            if self.pgconn.flush():
                # Nothing else is on its way, so the server has stopped reading.
                raise psycopg.OperationalError("the server does not read")
        except psycopg.Error as error:
            self.pool.lose(self, str(error))

    def read(self) -> None:
        """Read what has arrived, and hand over a complete result."""
        try:
            self.pgconn.consume_input()
            while not self.pgconn.is_busy():
                result = self.pgconn.get_result()
                if result is None:
                    break
                self.result = result
            else:
                return
        except psycopg.Error as error:
            self.pool.lose(self, str(error))
        else:
            result, self.result = self.result, None
            if self.query and result:
                self.pool.receive(self, self.query, result)


class Pool:
    """The connections of one event loop, in which it is called."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.open: set[Connection] = set()
        self.idle: list[Connection] = []
        self.waiting: deque[Query] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        self.is_connecting = False
        self.outage = ""  # why there is no connection, after an attempt

    async def __call__(self, question: Question) -> Row | None:
        """Return the row for `question`, None where there is no such caller.

        Raises:
            Unavailable: There is no answer in time, or it is known that there will be none.
        """
        query = Query(self, question)
        self.start(query)
        return await query.row

    def start(self, query: Query) -> None:
        """Send the query, have it wait for a connection, or fail it."""
        if self.idle:
            self.idle.pop().send(query)
        elif self.outage:
            query.finish(Unavailable(self.outage))
        elif len(self.waiting) >= lookup.MAX_WAITING:
            query.finish(Unavailable("too many requests wait for the database"))
        else:
            self.waiting.append(query)
            self.grow()

    def receive(self, connection: Connection, query: Query, result: PGresult) -> None:
        """Finish the query with its result."""
        if result.status == ExecStatus.TUPLES_OK:
            query.finish(row_of(result))
        elif result.error_field(DiagnosticField.SQLSTATE) == QUERY_CANCELED:
            query.finish(Unavailable("the database cancelled the query"))
        else:
            # Such as: the server stops; a pooler has lost the statement; a table was changed.
            return self.lose(connection, result.error_message.decode(errors="replace").strip())
        connection.query = None
        return self.release(connection)

    def release(self, connection: Connection) -> None:
        """Use a connection for the next query that waits, or keep it."""
        if monotonic() > connection.obsolete_at:
            self.close(connection)
            return self.grow()
        while self.waiting:
            query = self.waiting.popleft()
            if not query.row.done():
                return connection.send(query)
            query.finish(None)
        return self.idle.append(connection)

    def lose(self, connection: Connection, reason: str) -> None:
        """Close a broken connection, and repeat its query once on a new one."""
        self.close(connection)
        query, connection.query = connection.query, None
        if query is None:
            return
        query.connection = None
        if query.row.done() or query.is_repeated:
            query.finish(Unavailable(reason))
            return
        # The idle connections may be broken likewise.
        while self.idle:
            self.close(self.idle[-1])
        query.is_repeated = True
        self.start(query)

    def close(self, connection: Connection) -> None:
        """Close a connection at once."""
        self.forget(connection)
        connection.pgconn.finish()

    def forget(self, connection: Connection) -> None:
        """Remove a connection from the pool."""
        # Only once: a new connection may have the same file descriptor.
        if connection in self.open:
            self.open.remove(connection)
            self.loop.remove_reader(connection.socket)
        if connection in self.idle:
            self.idle.remove(connection)

    def expire(self, query: Query) -> None:
        """Give a query up, and the connection that executes it."""
        connection = query.connection
        query.finish(Unavailable(f"no answer within {lookup.TIMEOUT} s"))
        if connection:
            self.forget(connection)
            self.run(self.cancel(connection))
        with suppress(ValueError):
            self.waiting.remove(query)

    async def cancel(self, connection: Connection) -> None:
        """Have the server cancel a query, which would go on without its connection."""
        with suppress(psycopg.Error, OSError):
            await connection.opened.cancel_safe(timeout=1)
        connection.pgconn.finish()

    def grow(self) -> None:
        """Open connections while queries wait for one, one after the other."""
        if self.waiting and not self.is_connecting and len(self.open) < lookup.CONNECTIONS:
            self.is_connecting = True
            self.run(self.connect())

    def run(self, coroutine: "Coroutine[None, None, None]") -> None:
        """Run a coroutine in the background. The loop itself keeps no reference to its task."""
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self) -> None:
        """Try to open one connection until it is open, or no query needs it any more."""
        delay = MIN_DELAY
        while not await self.has_connected():
            await asyncio.sleep(delay)
            delay = min(2 * delay, MAX_DELAY)
            if self.open and not self.waiting:
                break
        self.is_connecting = False
        self.grow()

    async def has_connected(self) -> bool:
        """Try to open a connection, and return whether it succeeded."""
        try:
            connection = await self.connection()
        except Exception as error:  # of psycopg, the system or the settings: nothing answers
            if not self.open:
                outage = Unavailable(str(error) or type(error).__name__)
                if not self.outage:
                    logger.error("The database does not answer: %s", outage)
                self.outage = str(outage)
                while self.waiting:
                    self.waiting.popleft().finish(outage)
            return False
        if self.outage:
            logger.warning("The database answers again.")
        self.outage = ""
        self.open.add(connection)
        self.release(connection)
        return True

    async def connection(self) -> Connection:
        """Open a connection like Django's, and have the server plan the statements."""
        django = connections["default"]
        options = django.get_connection_params()
        prepared = options.pop("prepare_threshold", None) is not None
        for name in ("cursor_factory", "context"):
            options.pop(name)
        opened = await psycopg.AsyncConnection.connect(**options, autocommit=True)
        try:
            async with asyncio.timeout(PREPARE_TIMEOUT):
                if role := django.settings_dict["OPTIONS"].get("assume_role"):
                    await opened.execute(SQL("SET ROLE {}").format(Identifier(role)))
                for scheme, sql in STATEMENTS.items() if prepared else ():
                    await opened.execute(b"PREPARE %s AS %s" % (NAMES[scheme], sql))
        except BaseException:
            opened.pgconn.finish()
            raise
        return Connection(self, opened, prepared=prepared)


def row_of(result: PGresult) -> Row | None:
    """Return the first row, None if there is none."""
    if not result.ntuples:
        return None
    values = [result.get_value(0, column) for column in range(result.nfields)]
    return Row.of([None if value is None else value.decode() for value in values])
