"""Data outlives containers, goes with the volumes, and comes back from a backup."""

import stat

import pytest
from compose import ADDED, FIRST

pytestmark = pytest.mark.slow

KILLED = 137


@pytest.fixture(scope="module")
def stopped_and_started(grown_stack):
    """Add an item, stop everything, remove the containers and start again.

    Returns:
        The exit code of each container, the containers that `make down` has left, and a token from
        before.
    """
    stack = grown_stack
    stack.add_item(FIRST, "kept in a volume")
    headers = stack.token(f"{FIRST}:read")
    with stack.spoiled():
        stack.compose("stop")
        codes = {each["Name"]: each["State"]["ExitCode"] for each in stack.containers()}
        stack.make("down")
        left = stack.containers()
    return codes, left, headers


@pytest.fixture(scope="module")
def wiped_and_restored(grown_stack):
    """Add an item, make a backup, throw everything away, start again and put the backup back.

    Returns:
        Whether the item was there with new volumes, and after the backup was restored; the folder
        of the backup; and a token from before.
    """
    stack = grown_stack
    stack.add_item(FIRST, "kept in a backup")
    headers = stack.token(f"{FIRST}:read")
    stack.make("backup")
    [backup] = (stack.project / "backups").iterdir()
    with stack.spoiled():
        stack.compose("down", "--volumes")
    was_clean = not stack.has_item(FIRST, "kept in a backup")
    stack.make("restore", f"from=backups/{backup.name}")
    return was_clean, stack.has_item(FIRST, "kept in a backup"), backup, headers


def test_no_service_has_to_be_killed(stopped_and_started):
    assert [name for name, code in stopped_and_started[0].items() if code == KILLED] == []


def test_make_down_leaves_no_container(stopped_and_started):
    assert stopped_and_started[1] == []


def test_down_and_up_keep_the_data(stack, stopped_and_started):
    assert stack.has_item(FIRST, "kept in a volume")


def test_a_token_works_after_down_and_up(stack, stopped_and_started):
    assert stack.whoami(FIRST, stopped_and_started[2]).status == 200


def test_down_with_volumes_and_up_start_with_nothing(wiped_and_restored):
    assert wiped_and_restored[0]


def test_a_restore_brings_the_items_back(wiped_and_restored):
    assert wiped_and_restored[1]


def test_a_restore_brings_the_tokens_back(stack, wiped_and_restored):
    assert stack.whoami(FIRST, wiped_and_restored[3]).status == 200


def test_a_backup_holds_every_database(wiped_and_restored):
    dumps = {path.stem for path in wiped_and_restored[2].iterdir()}
    assert dumps == {"authorization-server", FIRST, ADDED}


def test_only_their_owner_reads_the_dumps(wiped_and_restored):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in wiped_and_restored[2].iterdir()}
    assert modes == {0o600}


def test_the_flow_works_after_a_restore(stack, wiped_and_restored):
    assert stack.make("smoke", check=False).returncode == 0


def test_a_backup_without_the_database_leaves_nothing_behind(stack):
    folder = stack.project / "backups"
    before = set(folder.glob("*")) | set(folder.glob(".*"))
    stack.compose("stop", "postgres")
    try:
        process = stack.make("backup", check=False)
    finally:
        stack.up("--no-deps", "postgres")
    after = set(folder.glob("*")) | set(folder.glob(".*"))
    assert (process.returncode != 0, after) == (True, before)


def test_a_dump_that_is_cut_off_changes_nothing(stack, wiped_and_restored):
    folder = stack.project / "backups" / "cut-off"
    folder.mkdir()
    dump = (wiped_and_restored[2] / f"{FIRST}.dump").read_bytes()
    (folder / f"{FIRST}.dump").write_bytes(dump[: len(dump) // 2])
    stack.add_item(FIRST, "made after the backup")
    process = stack.make("restore", f"from=backups/{folder.name}", check=False)
    assert (process.returncode != 0, stack.has_item(FIRST, "made after the backup")) == (True, True)
