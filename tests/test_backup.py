"""`scripts/backup.py` and `scripts/restore.py` keep all databases, or change nothing.

Docker is a program that answers as it is told; tests/containers dump, wipe and restore for real.
"""

import os
import re
import stat

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for Docker needs a Unix")
PSQL = "compose exec --no-TTY postgres psql"
DUMP = "compose exec --no-TTY postgres pg_dump"
READ = "compose exec --no-TTY postgres pg_restore"


@pytest.fixture
def run(platform, run_script, docker):
    """Return a function that runs a script with the stand-in for Docker."""

    def run(name, *arguments):
        return run_script(platform, name, *arguments, PATH=docker.path)

    return run


@pytest.fixture
def databases(docker):
    """Have PostgreSQL name two databases, and dump each."""
    docker.answer(PSQL, output="authorization-server\norders\n")
    docker.answer(DUMP, output="a dump")


@pytest.fixture
def saved(platform):
    """Return a folder with two dumps."""
    folder = platform / "backups" / "monday"
    folder.mkdir(parents=True)
    for name in ("authorization-server", "orders"):
        (folder / f"{name}.dump").write_text("a dump", encoding="utf-8")
    return folder


def statements(docker):
    """Return what PostgreSQL was told, in order."""
    return [words.partition("--command ")[2] for words in docker.asked if "--command" in words]


# --- Backup --------------------------------------------------------------------------------------


def test_each_database_is_dumped(run, platform, docker, databases):
    assert run("backup").returncode == 0
    [folder] = (platform / "backups").iterdir()
    contents = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert contents == {"authorization-server.dump": "a dump", "orders.dump": "a dump"}


def test_the_folder_is_named_by_the_time_and_how_to_go_back_is_said(run, databases):
    last = run("backup").stdout.splitlines()[-1]
    folder = r"backups/\d{4}-\d\d-\d\dT\d{6}Z"
    assert re.fullmatch(
        rf"({folder}): authorization-server, orders. To go back: make restore from=\1", last
    )


def test_only_the_owner_reads_a_dump(run, platform, databases):
    before = os.umask(0)
    try:
        run("backup")
    finally:
        os.umask(before)
    [folder] = (platform / "backups").iterdir()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert (stat.S_IMODE(folder.stat().st_mode), modes) == (0o700, {0o600})


def test_a_dump_that_fails_leaves_nothing_behind(run, platform, docker, databases):
    docker.answer(f"{DUMP} --format=custom orders", code=1, output="half", error="pg_dump: no\n")
    done = run("backup")
    assert (done.returncode, done.stderr) == (1, "orders cannot be dumped: pg_dump: no.\n")
    assert list((platform / "backups").iterdir()) == []


def test_no_database_is_one_sentence(run, docker):
    docker.answer(PSQL, output="")
    done = run("backup")
    assert (done.returncode, done.stderr) == (1, "There is no database yet: run `make up` first.\n")


def test_containers_that_do_not_run_are_one_sentence(run, docker):
    docker.answer(PSQL, code=1, error='service "postgres" is not running\n')
    done = run("backup")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert 'service "postgres" is not running' in done.stderr


def test_a_place_that_cannot_be_written_is_one_sentence(run, platform, docker, databases):
    (platform / "backups").write_text("", encoding="utf-8")
    done = run("backup")
    assert (done.returncode, done.stderr) == (1, "backups cannot be written: Not a directory.\n")


# --- Restore -------------------------------------------------------------------------------------


def test_all_dumps_are_read_before_a_database_is_replaced(run, docker, saved):
    assert run("restore", "backups/monday").returncode == 0
    reads = [number for number, words in enumerate(docker.asked) if words.startswith(READ)]
    renames = [number for number, words in enumerate(docker.asked) if "RENAME TO" in words]
    assert (len(reads), len(renames)) == (2, 1)
    assert max(reads) < min(renames)


def test_all_databases_change_places_in_one_transaction(run, docker, saved):
    run("restore", "backups/monday")
    [renames] = [statement for statement in statements(docker) if "RENAME TO" in statement]
    assert renames == (
        'ALTER DATABASE "authorization-server" RENAME TO "authorization-server.old";'
        'ALTER DATABASE "authorization-server.new" RENAME TO "authorization-server";'
        'ALTER DATABASE "orders" RENAME TO "orders.old";'
        'ALTER DATABASE "orders.new" RENAME TO "orders";'
    )


def test_nobody_but_the_owner_connects_to_what_was_restored(run, docker, saved):
    run("restore", "backups/monday")
    assert 'CREATE DATABASE "orders.new" OWNER "orders" TEMPLATE template0' in statements(docker)
    assert 'REVOKE ALL ON DATABASE "orders.new" FROM PUBLIC' in statements(docker)


def test_roles_are_there_before_a_dump_is_read(run, docker, saved):
    run("restore", "backups/monday")
    assert docker.asked.index("compose run --rm --no-TTY orders-provision") < next(
        number for number, words in enumerate(docker.asked) if words.startswith(READ)
    )


def test_what_writes_to_a_database_is_stopped_first_and_started_at_the_end(run, docker, saved):
    docker.containers({"Service": "postgres"}, {"Service": "orders"}, {"Service": "clear-tokens"})
    run("restore", "backups/monday")
    assert "compose stop clear-tokens orders" in docker.asked
    assert docker.asked[-1] == "compose up --detach --wait"


def test_postgres_is_not_stopped_when_nothing_else_runs(run, docker, saved):
    docker.containers({"Service": "postgres"})
    run("restore", "backups/monday")
    assert [words for words in docker.asked if words.startswith("compose stop")] == []


def test_a_dump_that_cannot_be_read_changes_nothing(run, docker, saved):
    docker.containers({"Service": "orders"})
    docker.answer(f"{READ} --exit-on-error", code=1, error="pg_restore: error: too short\n")
    done = run("restore", "backups/monday")
    assert (done.returncode, done.stderr) == (
        1,
        "backups/monday/authorization-server.dump cannot be read, and nothing was changed: "
        "pg_restore: error: too short.\n",
    )
    touched = [words for words in docker.asked if "RENAME" in words or "compose stop" in words]
    assert touched == []
    assert statements(docker)[-2:] == [
        'DROP DATABASE IF EXISTS "authorization-server.new"',
        'DROP DATABASE IF EXISTS "orders.new"',
    ]


def test_a_fault_while_services_are_stopped_says_how_to_start_them(run, docker, saved):
    docker.answer(PSQL + " --quiet", code=0)
    start = f"{PSQL} --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --command ALTER"
    docker.answer(start, code=1, error="ERROR: it is being accessed by other users\n")
    done = run("restore", "backups/monday")
    assert done.returncode == 1
    assert done.stderr.endswith("The services are stopped: `make up` starts them again.\n")


@pytest.mark.parametrize("arguments", [(), ("",)], ids=["no argument", "an empty one"])
def test_no_folder_is_one_sentence(run, docker, arguments):
    done = run("restore", *arguments)
    assert (done.returncode, done.stderr) == (
        1,
        "Say from where: make restore from=backups/DATE\n",
    )


def test_a_folder_without_dumps_is_one_sentence(run, docker):
    done = run("restore", "backups/tuesday")
    assert (done.returncode, docker.asked) == (1, [])
    assert done.stderr.startswith("backups/tuesday holds no dump")


def test_a_dump_of_no_service_is_refused(run, docker, saved):
    (saved / "billing.dump").write_text("a dump", encoding="utf-8")
    done = run("restore", "backups/monday")
    assert (done.returncode, docker.asked) == (1, [])
    assert "holds a dump of billing, which is no service here" in done.stderr


def test_the_exit_code_is_that_of_the_start(run, docker, saved):
    docker.answer("compose up --detach --wait postgres", code=0)
    docker.answer("compose up --detach --wait", code=3)
    assert run("restore", "backups/monday").returncode == 3
