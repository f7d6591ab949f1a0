"""Both roles on PostgreSQL, under load, while one fault after the other happens to them.

Every fault happens once, in about a minute and a half. ``SOAK_SECONDS=600 pytest -s
test_soak_faults.py`` repeats them for ten minutes; the test prints how many answers there were.
"""

import os
import shutil
import subprocess
import time
from contextlib import ExitStack, nullcontext
from functools import partial
from uuid import uuid4

import databases
import faults
import pytest
from _project import env_prefix
from conftest import until
from databases import prepare
from faults import Clock, Service, Valkey, after
from load import EXPIRED, Load

SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))
MARK = "SOAK_FAULTS"
VALKEY = shutil.which("valkey-server") or shutil.which("redis-server")

pytestmark = pytest.mark.skipif(
    not (databases.IS_INSTALLED and os.geteuid() == 0 and shutil.which("cc")),
    reason="needs PostgreSQL, a C compiler and root",
)


def happenings(load, postgresql, valkey):
    """Yield each fault: its name, how it happens, and what may be met besides 503 meanwhile."""
    yield "PostgreSQL: a backend killed", lambda: after(partial(faults.kill_a_backend, postgresql))
    yield "PostgreSQL: killed", lambda: after(partial(faults.kill_postgresql, postgresql))
    yield "PostgreSQL: disk full", partial(faults.full_database, load, postgresql)
    yield "PostgreSQL: no connection left", partial(faults.no_connection_left, postgresql)
    command = partial(faults.kill_clear_tokens, load.authorization_server, postgresql)
    yield "`clear_tokens`: killed", partial(after, command)
    if valkey:
        yield "Valkey: killed", partial(after, valkey.restart)
        yield "Valkey: does not answer", valkey.stopped
    both = {"authorization server": load.authorization_server, "resource server": load.api}
    for name, one in both.items():
        yield f"{name}: worker killed", partial(after, one.kill_worker), {"lost"}
        yield f"{name}: gunicorn killed", partial(after, one.kill_gunicorn), {"lost"}
        for seconds in (300, 3600):
            expired = EXPIRED if seconds > 600 else set()
            move = one.clock.moved
            back = partial(load.set_back, postgresql=postgresql) if one is load.api else move
            yield f"{name}: clock {seconds} s ahead", partial(move, seconds), expired
            # The authorization server issues tokens then that are expired for all others.
            expired = expired if one is load.authorization_server else set()
            yield f"{name}: clock {seconds} s behind", partial(back, -seconds), expired
        yield f"{name}: disk of log and metrics full", one.full_disk
        killed = partial(one.full_disk, is_killed=True)
        yield f"{name}: disk full and worker killed", killed, {"lost"}
        # The event loop (libuv) accepts a connection then, and closes it.
        yield f"{name}: no file left", one.without_files, {"lost"}
        yield f"{name}: 900 idle connections", partial(one.idle_connections, 900)
        yield f"{name}: accepts no connection", one.stopped


# ---- Fixtures ----


@pytest.fixture
def mark(stack, monkeypatch):
    """Mark every process that the test starts; all of them have ended afterwards."""
    value = uuid4().hex
    monkeypatch.setenv(MARK, value)
    monkeypatch.setitem(stack.environment, MARK, value)
    yield
    until(lambda: faults.processes_with(MARK, value) == [])


@pytest.fixture
def postgresql(mark):
    """Run PostgreSQL on a small disk, with few connections."""
    with databases.running() as server:
        server.execute(
            "ALTER SYSTEM SET max_connections = 30",
            "ALTER SYSTEM SET max_wal_size = '48MB'",
            "ALTER SYSTEM SET min_wal_size = '32MB'",
            "CREATE ROLE stranger LOGIN",
            "CREATE DATABASE authorization_server OWNER role",
            "CREATE DATABASE api OWNER role",
        )
        server.stop()
        folder = server.folder
        with faults.file_system(folder / "disk", 200) as server.folder:
            shutil.chown(server.folder, "postgres")
            subprocess.run(["mv", folder / "data", server.folder], check=True)
            server.start()
            try:
                yield server
            finally:
                server.stop()


@pytest.fixture
def valkey(mark):
    """Run a server for the shared cache, where one is installed."""
    with Valkey(VALKEY) if VALKEY else nullcontext() as server:
        yield server


@pytest.fixture
def start(stack, tmp_path):
    """Return a function that starts a service with its own clock, and its own disk for its log."""
    with ExitStack() as opened:

        def start(folder, steps, **variables):
            parent = tmp_path / folder
            disk = opened.enter_context(faults.file_system(parent / "disk", 32))
            (disk / "metrics").mkdir()
            prepare(stack, folder, variables, *steps)
            clock = Clock(parent)
            variables |= clock.variables | {"PROMETHEUS_MULTIPROC_DIR": str(disk / "metrics")}
            service = Service(stack, folder, disk / "log", **variables)
            service.clock, service.disk = clock, disk
            return opened.enter_context(service)

        yield start


@pytest.fixture
def load(stack, first, postgresql, valkey, start):
    """Start both roles, and return the load on them."""
    prefix, migrate = env_prefix(first["name"]), "migrate --no-input"
    authorization_server = start(
        "authorization_server",
        [migrate, "ensure_clients"],
        AUTHORIZATION_SERVER_DATABASE_URL=postgresql.url("authorization_server"),
        LOG_LEVEL="WARNING",
    )
    variables = {
        "AUTHORIZATION_SERVER_INTERNAL_URL": authorization_server.url,
        f"{prefix}_DATABASE_URL": postgresql.url("api"),
    }
    if valkey:
        variables[f"{prefix}_CACHE_URL"] = f"redis://127.0.0.1:{valkey.port}/0"
    api = start(f"resource_servers/{first['name']}", [migrate], **variables)
    return Load(stack, authorization_server, api, f"{first['name']}:read")


def test_every_fault_under_load_is_within_the_contract(load, postgresql, valkey):
    both = load.authorization_server, load.api
    end = time.monotonic() + SECONDS
    with load.running():
        load.recover()
        before = [one.usage() for one in both]
        is_first = True
        while is_first or time.monotonic() < end:
            for fault in happenings(load, postgresql, valkey):
                load.endure(*fault)
                assert load.wrong[:5] == []
            is_first = False
        load.report()
        # Each thread may hold one more connection.
        for one, most in zip(both, before, strict=True):
            for number, more in enumerate((8, 16, 50)):
                until(lambda a=one, b=number, c=most[number] + more: a.usage()[b] <= c)
