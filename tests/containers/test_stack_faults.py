"""`docker compose up` names what is wrong in one sentence, with the command that repairs it."""

import re
import shutil

import pytest
from compose import ADDED, FIRST, Stack

pytestmark = pytest.mark.slow

BROKEN_MIGRATION = """
from django.db import migrations


def fail(apps, schema_editor):
    raise RuntimeError("the shelves are on fire")


class Migration(migrations.Migration):
    dependencies = [("api", "{latest}")]
    operations = [migrations.RunPython(fail)]
"""
NEW_PASSWORDS = ["POSTGRES_PASSWORD", "VALKEY_PASSWORD", "ORDERS_DATABASE_URL", "ORDERS_CACHE_URL"]
COMMAND = re.compile(r"^ {2}(docker compose .*)$", re.M)


def last_line(text):
    return text.strip().splitlines()[-1]


# --- A volume that was made with other passwords --------------------------------------------------


@pytest.fixture(scope="module")
def stale(grown_stack):
    """Start with new passwords on volumes that were made with others, and do what is said then.

    Returns:
        What `up` said, and what the step that has failed said.
    """
    stack = grown_stack
    stack.add_item(FIRST, "older than the passwords")
    stack.compose("down")
    for name in NEW_PASSWORDS:
        (stack.project / ".secrets" / name).unlink()
    stack.run("python3", "scripts/init_env.py")
    with stack.spoiled():
        failed = stack.compose("up", "--wait", check=False)
        # Several steps have the same reason to fail; `up` waits for the first that does.
        step = re.search(r'service "([a-z-]+-provision)"', last_line(failed.stdout))
        message = stack.logs(step[1]).strip()
        repair(stack, message)
    return failed, message


def repair(stack, message):
    """Run the commands in a message that keep the data."""
    for command in COMMAND.findall(message)[:-1]:
        stack.run("sh", "-c", command)


def test_up_on_a_volume_with_another_password_fails(stale):
    assert stale[0].returncode != 0


def test_the_step_says_that_the_volume_was_made_with_another_password(stale):
    assert "the volume was made with another password" in stale[1]


def test_the_step_says_how_to_throw_the_data_away(stale):
    assert COMMAND.findall(stale[1])[-1] == "docker compose down --volumes"


def test_the_command_in_the_message_repairs_it_and_keeps_the_data(stack, stale):
    assert stack.has_item(FIRST, "older than the passwords")


def test_the_passwords_of_services_repair_themselves(stack, stale):
    assert stack.whoami(FIRST, stack.token(f"{FIRST}:read")).status == 200
    code = (
        "from pathlib import Path; import redis; print(redis.from_url("
        "Path('/run/secrets/ORDERS_CACHE_URL').read_text().strip()).ping())"
    )
    assert stack.python(FIRST, code).stdout.strip() == "True"


# --- A step that fails ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def failed_step(grown_stack):
    """Start with a migration of one resource server that fails.

    Returns:
        The process of `docker compose up`, the running container of that resource server, and the
        last line of the step that failed.
    """
    stack = grown_stack
    folder = stack.project / "resource_servers" / ADDED / "api" / "migrations"
    latest = max(path.stem for path in folder.glob("0*.py"))
    path = folder / "9999_broken.py"
    with stack.spoiled():
        # As if both were new: nothing of them runs.
        stack.compose("rm", "--force", "--stop", ADDED, f"{ADDED}-migrate")
        path.write_text(BROKEN_MIGRATION.format(latest=latest), encoding="utf-8")
        try:
            plain = stack.compose("up", "--wait", check=False)
            listens = stack.compose("ps", "--quiet", ADDED).stdout.strip()
            reason = last_line(stack.logs(f"{ADDED}-migrate"))
        finally:
            path.unlink()
    return plain, listens, reason


def test_a_migration_that_fails_stops_up(failed_step):
    assert failed_step[0].returncode != 0


def test_up_names_the_step_that_has_failed(failed_step):
    assert f"{ADDED}-migrate" in last_line(failed_step[0].stdout)


def test_the_reason_is_the_last_line_of_the_step(failed_step):
    assert "the shelves are on fire" in failed_step[2]


def test_a_resource_server_does_not_start_without_its_migration(failed_step):
    assert failed_step[1] == ""


# --- Before anything starts -----------------------------------------------------------------------


@pytest.fixture
def untouched(stack, tmp_path):
    """Return a copy of the project, none of whose containers was ever made."""
    left_out = shutil.ignore_patterns(".venv", "backups", "__pycache__")
    return Stack(
        shutil.copytree(stack.project, tmp_path / f"{stack.name}_untouched", ignore=left_out)
    )


def test_up_without_env_says_which_command_makes_it(untouched):
    (untouched.project / ".env").unlink()
    process = untouched.compose("up", "--wait", check=False)
    assert process.returncode != 0
    assert "run python3 scripts/init_env.py first" in last_line(process.stdout)


def test_the_command_that_makes_env_is_all_that_was_missing(untouched):
    (untouched.project / ".env").unlink()
    shutil.rmtree(untouched.project / ".secrets")
    untouched.run("python3", "scripts/init_env.py")
    assert untouched.compose("config", "--quiet", check=False).returncode == 0
