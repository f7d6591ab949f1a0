"""The table of events on PostgreSQL: late commits, and a table that belongs to another role."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest
from audit import chain
from audit.models import Event, Seal
from audit.recording import record
from django.db import DatabaseError, connection, transaction
from tests.test_postgresql import PROGRAMS, Server, free_port

KEY = "a-key-of-the-tests-only-0123456789-abcdefghi"
# As docs/operations.md has it.
TAKE_AWAY = """
ALTER TABLE audit_event OWNER TO administrator;
ALTER TABLE audit_seal OWNER TO administrator;
GRANT SELECT, INSERT, DELETE ON audit_event, audit_seal TO application;
GRANT USAGE ON SEQUENCE audit_event_id_seq TO application
"""

is_here = pytest.mark.skipif(connection.vendor != "postgresql", reason="run by the last test")


@pytest.fixture(autouse=True)
def a_table(settings):
    settings.AUDIT_DAYS, settings.AUDIT_KEY = 365, KEY


@is_here
@pytest.mark.django_db(transaction=True)
def test_an_event_that_commits_after_a_later_one_is_sealed():
    with closing(connection.copy()) as other:
        other.set_autocommit(False)
        columns = "time, expires, event, outcome, sub, act, client_id, address, request_id, details"
        with other.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO audit_event ({columns}) VALUES (now(), now() + interval '1 year',"
                " 'sign-in', 'ok', 'late', '', '', '', '', '{}')"
            )
            record("sign-in", sub="early")
            chain.seal()
            other.commit()
    chain.seal()
    sealed = [Event.objects.get(pk=one.event_id) for one in Seal.objects.order_by("position")]
    assert [event.sub for event in sealed] == ["early", "late"]
    assert sealed[0].pk > sealed[1].pk
    assert list(chain.problems({})) == []
    empty()


@is_here
@pytest.mark.django_db(transaction=True)
def test_two_processes_that_seal_at_once_make_one_chain():
    for number in range(50):
        record("sign-in", sub=number)
    barrier = Barrier(4)

    def seal(_):
        barrier.wait()
        chain.seal()
        connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(seal, range(4)))
    chain.seal()
    assert (Seal.objects.count(), list(chain.problems({}))) == (50, [])
    empty()


@is_here
@pytest.mark.django_db(transaction=True)
def test_events_do_not_wait_for_one_another():
    with closing(connection.copy()) as other, transaction.atomic():
        record("sign-in", sub="first")
        with other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
            cursor.execute(
                "INSERT INTO audit_event (time, expires, event, outcome, sub, act, client_id,"
                " address, request_id, details)"
                " VALUES (now(), now(), 'sign-in', 'ok', 'second', '', '', '', '', '{}')"
            )
    assert Event.objects.count() == 2
    empty()


@is_here
@pytest.mark.django_db(transaction=True)
def test_a_table_of_another_role_works_and_keeps_its_triggers():
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE application")
        try:
            cursor.execute(TAKE_AWAY.replace("administrator", "postgres"))
            cursor.execute("SET ROLE application")
            record("sign-in", sub="somebody")
            chain.seal()
            assert list(chain.problems({})) == []
            for statement in (
                "ALTER TABLE audit_event DISABLE TRIGGER USER",
                "UPDATE audit_event SET sub = ''",
                "DELETE FROM audit_event",
                "TRUNCATE audit_event",
                "DROP TABLE audit_event",
            ):
                with pytest.raises(DatabaseError):
                    cursor.execute(statement)
        finally:
            cursor.execute("RESET ROLE")
            empty()
            cursor.execute("DROP OWNED BY application; DROP ROLE application")


def empty():
    """Empty the tables as their owner: the flush after a test may not."""
    with connection.cursor() as cursor:
        for table in ("audit_event", "audit_seal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(f"TRUNCATE {table}")
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.mark.skipif(
    connection.vendor == "postgresql" or not (PROGRAMS / "postgres").exists(),
    reason="PostgreSQL is not installed, or runs these tests",
)
def test_all_of_it_on_postgresql():
    folder = Path("/tmp") / f"audit-{os.getpid()}"  # short enough for a socket
    folder.mkdir(mode=0o755)
    server = Server(folder, free_port())
    try:
        server.run("initdb", "-U", "postgres", "-A", "trust")
        server.start()
        url = f"postgres://postgres@127.0.0.1:{server.port}/postgres"
        tests = [f"tests/test_audit_{name}.py" for name in ("table", "on_postgresql")]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
            env=os.environ | {"AUTHORIZATION_SERVER_DATABASE_URL": url},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stdout
    assert " 1 skipped" in done.stdout, done.stdout
