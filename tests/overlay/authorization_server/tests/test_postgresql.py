"""The query on PostgreSQL without a thread: outages, time-outs, full queues, clients that hang up.

A query waits for as long as a test holds a lock, so that no test depends on the time of a query.
"""

import asyncio
import glob
import os
import shutil
import socket
import subprocess
import time
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from django.db.utils import ConnectionHandler
from introspection import lookup, postgresql
from introspection.lookup import Unavailable
from introspection.protocol import BASIC, BEARER, Credentials, Question
from service_kit import env

PROGRAMS = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin") or ["/usr/bin"])[-1])
PASSWORD = "a-password-that-must-not-be-logged"
# Thirteen columns; the key of the caller is the number of a lock that has to be free.
SQL = b"""
SELECT $1::text, pg_advisory_lock_shared($2::bigint)::text, pg_advisory_unlock_all()::text,
       '[]', '1', '1', pg_backend_pid()::text, '[]', '1', NULL, NULL, NULL, NULL
"""

pytestmark = pytest.mark.skipif(
    not (PROGRAMS / "postgres").exists(), reason="PostgreSQL is not installed"
)


class Server:
    """A PostgreSQL server that can be stopped and started again."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.is_running = False
        self.url = f"postgres://bench:{PASSWORD}@127.0.0.1:{port}/postgres"
        # PostgreSQL refuses to run as root.
        self.options = {"user": "postgres"} if os.geteuid() == 0 else {}
        if self.options:
            shutil.chown(folder, "postgres")

    def run(self, program, *arguments):
        """Run a program of PostgreSQL."""
        command = [PROGRAMS / program, "-D", self.folder / "data", *arguments]
        subprocess.run(
            command, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=60, **self.options
        )

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c fsync=off -c listen_addresses=127.0.0.1"
        log = self.folder / "log"
        if not self.is_running:
            self.run("pg_ctl", "start", "-w", "-s", "-l", log, "-o", options)
        self.is_running = True

    def stop(self, mode="fast"):
        if self.is_running:
            self.run("pg_ctl", "stop", "-w", "-s", "-m", mode)
        self.is_running = False

    def connect(self):
        return psycopg.connect(self.url.replace("postgres:", "postgresql:"), autocommit=True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Run a server for all tests of this file."""
    folder = Path("/tmp") / f"introspection-{os.getpid()}"  # short enough for a socket
    folder.mkdir(mode=0o755)
    server = Server(folder, free_port())
    try:
        server.run("initdb", "-U", "bench", "-A", "trust")
        server.start()
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)


@pytest.fixture
def server(installed):
    """Return a server that runs."""
    installed.start()
    return installed


@pytest.fixture
def use(monkeypatch):
    """Return a function that has the pool use the database of a URL."""

    def use(url):
        monkeypatch.setenv("TEST_DATABASE_URL", url)
        config = env.database("TEST_DATABASE_URL", Path("unused"))
        monkeypatch.setattr(postgresql, "connections", ConnectionHandler({"default": config}))

    return use


@pytest.fixture(autouse=True)
def settings_of_pool(server, use, monkeypatch):
    """Use the server and a statement of the tests, and wait as long as a slow machine needs."""
    use(server.url)
    monkeypatch.setattr(postgresql, "STATEMENTS", {BASIC: SQL, BEARER: SQL})
    monkeypatch.setattr(lookup, "TIMEOUT", 60)


@pytest.fixture
def lock(server):
    """Return a connection that holds the lock with the number 1."""
    with server.connect() as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        yield connection


def unlock(connection):
    connection.execute("SELECT pg_advisory_unlock_all()")


def question(token, key=0):
    """Return a question whose query waits for the lock with the number `key`."""
    return Question(Credentials(BASIC, str(key)), token)


def digest(token):
    return lookup.parameters(question(token))[0]


async def until(is_true):
    """Return once `is_true()` is true."""
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def running(connection, condition="wait_event_type = 'Lock'"):
    """Return how many queries of the pool are in a state."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%unlock_all()::text%%' AND "
    return connection.execute(query + condition).fetchone()[0]


def with_pool(test):
    """Run a coroutine function with a new pool, which is closed afterwards."""

    async def run():
        pool = postgresql.Pool()
        try:
            return await test(pool)
        finally:
            for connection in list(pool.open):
                pool.close(connection)
            for task in list(pool.tasks):
                task.cancel()
            await asyncio.gather(*pool.tasks, return_exceptions=True)

    return asyncio.run(run())


def execute(pool, sql):
    """Execute SQL over the only connection of the pool, and return the result."""
    (connection,) = pool.open
    connection.pgconn.exit_pipeline_mode()
    result = connection.pgconn.exec_(sql)
    connection.pgconn.enter_pipeline_mode()
    return result


async def is_unavailable(pool, *arguments):
    """Return whether a question is not answered."""
    try:
        await pool(question(*arguments))
    except Unavailable:
        return True
    return False


# ---- Questions and answers ----


def test_each_question_gets_its_own_answer():
    async def test(pool):
        tokens = [f"token {number}" for number in range(100)]
        rows = await asyncio.gather(*(pool(question(token)) for token in tokens))
        assert [row.client_secret for row in rows] == [digest(token) for token in tokens]
        assert len({row.client_id for row in rows}) == len(pool.open) <= lookup.CONNECTIONS

    with_pool(test)


def test_unknown_caller_has_no_row(monkeypatch):
    monkeypatch.setattr(postgresql, "STATEMENTS", {BASIC: SQL + b"WHERE false"})

    async def test(pool):
        assert await pool(question("token")) is None

    with_pool(test)


@pytest.mark.parametrize(("options", "statements"), [("", 2), ("?prepare_threshold=none", 0)])
def test_statements_are_prepared_unless_a_pooler_keeps_none(server, use, options, statements):
    use(server.url + options)

    async def test(pool):
        assert (await pool(question("token"))).client_secret == digest("token")
        found = execute(pool, b"SELECT name FROM pg_prepared_statements")
        assert found.ntuples == statements

    with_pool(test)


def test_options_of_the_database_are_used(server, use):
    use(server.url + "?application_name=a-name&assume_role=pg_monitor")

    async def test(pool):
        await pool(question("token"))
        found = execute(pool, b"SELECT current_setting('application_name'), current_user")
        assert [found.get_value(0, column) for column in (0, 1)] == [b"a-name", b"pg_monitor"]

    with_pool(test)


# ---- Several questions over one connection ----


async def in_one_batch(pool, *questions):
    """Return the rows of questions that one connection executes in a row; None is an outage."""
    await pool(question("the first connection"))
    rows = await asyncio.gather(*map(pool, questions), return_exceptions=True)
    return [None if isinstance(row, Unavailable) else row for row in rows]


def test_questions_of_one_moment_share_a_connection(lock):
    async def test(pool):
        async with full(pool, lock, 0) as rows:
            pass
        await asyncio.gather(*rows)
        assert len(pool.idle) == lookup.CONNECTIONS
        rows = await in_one_batch(pool, *map(question, "abcd"))
        assert [row.client_secret for row in rows] == list(map(digest, "abcd"))
        assert len({row.client_id for row in rows}) == 1

    with_pool(test)


def test_question_behind_one_that_the_server_cancels_is_answered(use, server, lock):
    use(server.url + "?options=-c%20statement_timeout%3D500")

    async def test(pool):
        rows = await in_one_batch(pool, question("a"), question("b", 1), question("c"))
        assert [row and row.client_secret for row in rows] == [digest("a"), None, digest("c")]
        assert rows[0].client_id == rows[2].client_id

    with_pool(test)


def test_question_behind_one_that_takes_too_long_is_answered(lock, monkeypatch):
    async def test(pool):
        await pool(question("the first connection"))
        monkeypatch.setattr(lookup, "TIMEOUT", 1)
        slow = asyncio.ensure_future(is_unavailable(pool, "slow", 1))
        await asyncio.sleep(0)
        monkeypatch.setattr(lookup, "TIMEOUT", 60)
        assert (await pool(question("behind it"))).client_secret == digest("behind it")
        assert await slow
        await until(lambda: not pool.tasks)

    with_pool(test)


def test_questions_are_repeated_when_their_connection_is_killed(lock):
    async def test(pool):
        rows = asyncio.ensure_future(in_one_batch(pool, question("a", 1), question("b")))
        await until(lambda: running(lock))
        lock.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
        )
        await until(lambda: running(lock))
        unlock(lock)
        assert [row.client_secret for row in await rows] == [digest("a"), digest("b")]

    with_pool(test)


# ---- Connections that break ----


def test_query_is_repeated_when_its_connection_is_killed(lock):
    async def test(pool):
        row = asyncio.ensure_future(pool(question("token", 1)))
        await until(lambda: running(lock))
        lock.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
        )
        await until(lambda: running(lock))
        unlock(lock)
        assert (await row).client_secret == digest("token")

    with_pool(test)


def test_query_is_repeated_once_only(lock):
    async def test(pool):
        row = asyncio.ensure_future(is_unavailable(pool, "token", 1))
        kill = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
        )
        for _ in range(2):
            await until(lambda: running(lock))
            lock.execute(kill)
            await until(lambda: row.done() or not running(lock, "wait_event_type = 'Lock'"))
        assert await row

    with_pool(test)


def test_idle_connection_that_is_killed_is_noticed(server):
    async def test(pool):
        row = await pool(question("token"))
        with server.connect() as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [int(row.client_id)])
        await until(lambda: not pool.open)
        assert (await pool(question("token"))).client_id != row.client_id

    with_pool(test)


def test_statement_that_the_server_has_lost_is_prepared_again(server):
    async def test(pool):
        await pool(question("token"))
        execute(pool, b"DEALLOCATE ALL")
        assert (await pool(question("token"))).client_secret == digest("token")

    with_pool(test)


def test_connection_that_is_old_is_replaced():
    async def test(pool):
        rows = []
        for _ in range(2):
            rows.append(await pool(question("token")))
            for connection in pool.open:
                connection.obsolete_at = 0
        await pool(question("token"))
        assert (await pool(question("token"))).client_id not in {row.client_id for row in rows}

    with_pool(test)


def test_query_is_answered_while_the_server_allows_reading_only(server):
    async def test(pool):
        await pool(question("token"))
        with server.connect() as admin:
            admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            admin.execute("SELECT pg_reload_conf()")
        try:
            assert (await pool(question("token"))).client_secret == digest("token")
        finally:
            with server.connect() as admin:
                admin.execute("SET default_transaction_read_only = off")
                admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
                admin.execute("SELECT pg_reload_conf()")

    with_pool(test)


# ---- A database that is away ----


def test_outage_is_reported_at_once_and_ends_by_itself(server, caplog):
    async def test(pool):
        await pool(question("token"))
        server.stop()
        assert await is_unavailable(pool, "token")
        assert (await is_unavailable(pool, "token"), len(pool.waiting)) == (True, 0)
        server.start()
        await until(lambda: not pool.outage)
        assert (await pool(question("token"))).client_secret == digest("token")

    with_pool(test)
    lines = [record.getMessage() for record in caplog.records if record.name == "introspection"]
    assert [line.partition(":")[0] for line in lines] == [
        "The database does not answer",
        "The database answers again.",
    ]
    assert PASSWORD not in caplog.text


def test_host_that_says_nothing_costs_no_more_than_the_timeout(use, monkeypatch):
    monkeypatch.setattr(lookup, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(f"postgres://bench@127.0.0.1:{silent.getsockname()[1]}/postgres")

        async def test(pool):
            assert await is_unavailable(pool, "token")
            assert not pool.waiting

        with_pool(test)


def test_next_host_is_asked(server, use):
    url = f"postgres://bench@/postgres?host=127.0.0.1,127.0.0.1&port={free_port()},{server.port}"
    use(url)

    async def test(pool):
        assert (await pool(question("token"))).client_secret == digest("token")

    with_pool(test)


def test_table_that_is_missing_is_an_outage(monkeypatch):
    monkeypatch.setattr(postgresql, "STATEMENTS", {BASIC: b"SELECT $1, $2 FROM missing"})

    async def test(pool):
        assert await is_unavailable(pool, "token")

    with_pool(test)


# ---- Time-outs and cancelled queries ----


def test_query_that_takes_too_long_is_cancelled_in_the_server(lock, monkeypatch):
    monkeypatch.setattr(lookup, "TIMEOUT", 2)

    async def test(pool):
        assert await is_unavailable(pool, "token", 1)
        await until(lambda: not running(lock))
        await until(lambda: not pool.tasks)
        assert (await pool(question("token"))).client_secret == digest("token")

    with_pool(test)


def test_statement_timeout_of_the_server_keeps_the_connection(server, use, lock):
    use(server.url + "?options=-c%20statement_timeout%3D500")

    async def test(pool):
        before = await pool(question("token"))
        assert await is_unavailable(pool, "token", 1)
        assert (await pool(question("token"))).client_id == before.client_id

    with_pool(test)


def test_cancelled_request_leaves_no_answer_to_the_next_one(lock, monkeypatch):
    monkeypatch.setattr(lookup, "CONNECTIONS", 1)

    async def test(pool):
        gone = asyncio.ensure_future(pool(question("gone", 1)))
        await until(lambda: running(lock))
        gone.cancel()
        following = asyncio.ensure_future(pool(question("following")))
        await asyncio.sleep(0)
        unlock(lock)
        assert (await following).client_secret == digest("following")
        assert len(pool.open) == 1

    with_pool(test)


def test_cancelled_request_that_waits_is_not_sent(lock, monkeypatch):
    monkeypatch.setattr(lookup, "CONNECTIONS", 1)

    async def test(pool):
        first = asyncio.ensure_future(pool(question("first", 1)))
        await until(lambda: running(lock))
        waits = asyncio.ensure_future(pool(question("waits", 1)))
        await until(lambda: pool.waiting)
        waits.cancel()
        unlock(lock)
        await first
        assert (len(pool.idle), len(pool.waiting)) == (1, 0)

    with_pool(test)


# ---- More requests than connections ----


@asynccontextmanager
async def full(pool, lock, waiting):
    """Have queries in all connections, and `waiting` more; yield the awaited rows."""
    rows = []
    for count in range(1, lookup.CONNECTIONS + 1):
        rows.append(asyncio.ensure_future(pool(question("running", 1))))
        await until(lambda count=count: running(lock) == count)
    rows += [asyncio.ensure_future(pool(question("waiting"))) for _ in range(waiting)]
    await until(lambda: len(pool.waiting) == waiting)
    yield rows
    unlock(lock)


def test_requests_beyond_the_queue_are_refused_and_the_others_answered(lock, monkeypatch):
    monkeypatch.setattr(lookup, "MAX_WAITING", 3)

    async def test(pool):
        async with full(pool, lock, 3) as rows:
            assert await is_unavailable(pool, "one too many")
        answers = await asyncio.gather(*rows)
        assert [row.client_secret for row in answers] == [
            *[digest("running")] * lookup.CONNECTIONS,
            *[digest("waiting")] * 3,
        ]

    with_pool(test)


def test_wait_for_a_connection_ends_with_the_timeout(lock, monkeypatch):
    monkeypatch.setattr(lookup, "CONNECTIONS", 1)

    async def test(pool):
        async with full(pool, lock, 0):
            monkeypatch.setattr(lookup, "TIMEOUT", 0.1)
            assert await is_unavailable(pool, "token")
            assert not pool.waiting

    with_pool(test)
