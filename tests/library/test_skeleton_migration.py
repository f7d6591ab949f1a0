"""A resource server that was generated before `LinkedUser` existed keeps its people."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import oauth_resource_server
import pytest

SOURCE = Path(oauth_resource_server.__file__).parents[1]
PATHS = (
    SOURCE.parents[2] / "scripts" / "resource_server_skeleton",
    SOURCE,
    Path(__file__).parents[1],
)
ALICE = {"issuer": "https://as.example.com", "sub": "alice", "name": "Alice"}


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    """A database in a file."""
    name = tmp_path_factory.mktemp("sqlite") / "db.sqlite3"
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(name)}


@pytest.fixture(scope="module")
def postgresql():
    """A server that listens on a socket in a folder only."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("PostgreSQL is not installed")
    run = {"check": True, "cwd": "/", "stdout": subprocess.DEVNULL}
    with TemporaryDirectory() as folder:  # The path of a socket must be short.
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root.
            run["user"] = "postgres"
            shutil.chown(folder, "postgres")
        data = ["-D", f"{folder}/data"]
        subprocess.run([folders[-1] / "initdb", *data, "-U", "tests", "-A", "trust"], **run)
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        control = [folders[-1] / "pg_ctl", *data, "-w", "-l", f"{folder}/log", "-o", options]
        subprocess.run([*control, "start"], **run)
        try:
            database = {"NAME": "postgres", "USER": "tests", "HOST": folder}
            yield database | {"ENGINE": "django.db.backends.postgresql"}
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **run)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def migrated(request):
    """What people/migrate.py prints."""
    database = request.getfixturevalue(request.param)
    done = subprocess.run(
        [sys.executable, "-B", "-m", "library.people.migrate", *map(json.dumps, [database, ALICE])],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, PATHS))},
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


def test_each_person_becomes_a_link(migrated):
    assert migrated["links"] == [ALICE | {"user__username": "a-uuid"}]


def test_the_old_columns_are_dropped(migrated):
    assert migrated["columns"] == []


def test_the_migration_can_be_undone(migrated):
    assert migrated["undone"] == [ALICE]
