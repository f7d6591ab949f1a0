"""Data outlives containers, goes with the volumes, and comes back from a backup."""

import stat

import pytest
from conftest import ADDED, FIRST

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("containers")]


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
    stack.compose("down", "--volumes")
    stack.up()
    was_clean = not stack.has_item(FIRST, "kept in a backup")
    stack.make("restore", f"from=backups/{backup.name}")
    return was_clean, stack.has_item(FIRST, "kept in a backup"), backup, headers


def test_down_and_up_keep_the_data(broken_stack):
    broken_stack.add_item(FIRST, "kept in a volume")
    broken_stack.compose("down")
    broken_stack.up()
    assert broken_stack.has_item(FIRST, "kept in a volume")


def test_a_token_works_after_down_and_up(broken_stack):
    headers = broken_stack.token(f"{FIRST}:read")
    broken_stack.compose("down")
    broken_stack.up()
    assert broken_stack.whoami(FIRST, headers).status == 200


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


def test_a_backup_without_the_database_leaves_nothing_behind(broken_stack):
    folder = broken_stack.project / "backups"
    before = set(folder.glob("*")) | set(folder.glob(".*"))
    broken_stack.compose("stop", "postgres")
    process = broken_stack.make("backup", check=False)
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
