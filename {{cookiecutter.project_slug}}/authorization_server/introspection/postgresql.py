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
# Queries that one connection executes in a row: each system call and each switch to the process of
# the server is for all of them.
BATCH = 4
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
    """A connection that executes up to BATCH queries in a row, in the pipeline mode of libpq."""

    def __init__(self, pool: "Pool", opened: psycopg.AsyncConnection, *, prepared: bool) -> None:
        self.pool, self.opened, self.prepared = pool, opened, prepared
        self.pgconn, self.socket = opened.pgconn, opened.pgconn.socket
        self.obsolete_at = monotonic() + MAX_AGE
        self.queries: deque[Query] = deque()
        self.is_executing = False
        self.pgconn.enter_pipeline_mode()
        # For as long as it is open: the end of an idle connection is noticed, too.
        pool.loop.add_reader(self.socket, self.read)

    def send(self, queries: list[Query]) -> None:
        """Send queries. The pool has the connection again once their results are read."""
        self.queries.extend(queries)
        self.is_executing = True
        try:
            for query in queries:
                query.connection = self
                if self.prepared:
                    self.pgconn.send_query_prepared(NAMES[query.scheme], query.values)
                else:
                    self.pgconn.send_query_params(STATEMENTS[query.scheme], query.values)
            self.pgconn.pipeline_sync()
            if self.pgconn.flush():
                # Nothing else is on its way, so the server has stopped reading.
                raise psycopg.OperationalError("the server does not read")
        except psycopg.Error as error:
            self.pool.lose(self, str(error))

    def read(self) -> None:
        """Read what has arrived, and hand over complete results."""
        try:
            self.pgconn.consume_input()
            while self.is_executing and not self.pgconn.is_busy():
                result = self.pgconn.get_result()
                if result is None:
                    continue  # the results of one query have ended
                if result.status == ExecStatus.PIPELINE_SYNC:
                    self.is_executing = False
                    self.pool.release(self)
                else:
                    self.pool.receive(self, result)
        except psycopg.Error as error:
            self.pool.lose(self, str(error))


class Pool:
    """The connections of one event loop, in which it is called."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.open: set[Connection] = set()
        self.idle: list[Connection] = []
        self.waiting: deque[Query] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        self.is_connecting = self.is_sending = False
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
        """Have the query wait to be sent, or fail it."""
        if self.outage and not self.idle:
            query.finish(Unavailable(self.outage))
        elif len(self.waiting) >= lookup.MAX_WAITING:
            query.finish(Unavailable("too many requests wait for the database"))
        else:
            self.waiting.append(query)
            if not self.is_sending:
                # After what has arrived with this one: it is sent in the same system call.
                self.is_sending = True
                self.loop.call_soon(self.send)

    def send(self) -> None:
        """Send the queries that wait over the connections that are idle."""
        self.is_sending = False
        while self.idle and self.waiting:
            queries: list[Query] = []
            while self.waiting and len(queries) < BATCH:
                query = self.waiting.popleft()
                if query.row.done():
                    query.finish(None)
                else:
                    queries.append(query)
            if queries:
                self.idle.pop().send(queries)
        self.grow()

    def receive(self, connection: Connection, result: PGresult) -> None:
        """Finish the first query of a connection with its result."""
        if result.status == ExecStatus.TUPLES_OK:
            connection.queries.popleft().finish(row_of(result))
        elif result.status == ExecStatus.PIPELINE_ABORTED:
            self.repeat(connection.queries.popleft(), "the database cancelled a query before it")
        elif result.error_field(DiagnosticField.SQLSTATE) == QUERY_CANCELED:
            outage = Unavailable("the database cancelled the query")
            connection.queries.popleft().finish(outage)
        else:
            # Such as: the server stops; a pooler has lost the statement; a table was changed.
            self.lose(connection, result.error_message.decode(errors="replace").strip())

    def release(self, connection: Connection) -> None:
        """Use a connection for the next queries that wait, or keep it."""
        if monotonic() > connection.obsolete_at:
            self.close(connection)
        else:
            self.idle.append(connection)
        self.send()

    def lose(self, connection: Connection, reason: str) -> None:
        """Close a broken connection, and repeat its queries."""
        self.close(connection)
        # The idle connections may be broken likewise.
        while connection.queries and self.idle:
            self.close(self.idle[-1])
        while connection.queries:
            self.repeat(connection.queries.popleft(), reason)

    def repeat(self, query: Query, reason: str) -> None:
        """Repeat a query, once only."""
        query.connection = None
        if query.row.done() or query.is_repeated:
            query.finish(Unavailable(reason))
        else:
            query.is_repeated = True
            self.start(query)

    def close(self, connection: Connection) -> None:
        """Close a connection, without waiting for its query."""
        self.forget(connection)
        connection.pgconn.finish()

    def forget(self, connection: Connection) -> None:
        """Remove a connection from the pool."""
        connection.is_executing = False
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
            while connection.queries:
                self.repeat(connection.queries.popleft(), "a query before it takes too long")
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
