"""`docker compose up` reports an error in one sentence, with the command that repairs it."""

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


# --- A volume with other passwords ----------------------------------------------------------------


@pytest.fixture(scope="module")
def stale(extended_stack):
    """Start with new passwords on old volumes, and run the commands that the message names.

    Returns:
        The process of `up`, and the message of the failed step.
    """
    stack = extended_stack
    stack.add_item(FIRST, "older than the passwords")
    stack.compose("down")
    for name in NEW_PASSWORDS:
        (stack.project / ".secrets" / name).unlink()
    stack.run("python3", "scripts/init_env.py")
    with stack.restored():
        failed = stack.compose("up", "--wait", check=False)
        # Several steps fail for the same reason; `up` reports the first.
        step = re.search(r'service "([a-z-]+-provision)"', last_line(failed.stdout))
        message = stack.logs(step[1]).strip()
        repair(stack, message)
    return failed, message


def repair(stack, message):
    """Run the commands of a message that keep the data."""
    for command in COMMAND.findall(message)[:-1]:
        stack.run("sh", "-c", command)


def test_up_on_a_volume_with_another_password_fails(stale):
    assert stale[0].returncode != 0


def test_the_message_names_the_other_password_of_the_volume(stale):
    assert "the volume was made with another password" in stale[1]


def test_the_message_has_the_command_that_deletes_the_data(stale):
    assert COMMAND.findall(stale[1])[-1] == "docker compose down --volumes"


def test_the_command_in_the_message_repairs_it_and_keeps_the_data(stack, stale):
    assert stack.has_item(FIRST, "older than the passwords")


def test_the_passwords_of_services_are_set_again(stack, stale):
    assert stack.whoami(FIRST, stack.token(f"{FIRST}:read")).status == 200
    code = (
        "from pathlib import Path; import redis; print(redis.from_url("
        "Path('/run/secrets/ORDERS_CACHE_URL').read_text().strip()).ping())"
    )
    assert stack.python(FIRST, code).stdout.strip() == "True"


# --- A step that fails ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def failed_step(extended_stack):
    """Start with a failing migration of one resource server.

    Returns:
        The process of `docker compose up`, the id of the running container of the resource server
        (empty if none), and the last line of the failed step.
    """
    stack = extended_stack
    folder = stack.project / "resource_servers" / ADDED / "api" / "migrations"
    latest = max(path.stem for path in folder.glob("0*.py"))
    path = folder / "9999_broken.py"
    with stack.restored():
        # No container of the resource server exists, as for a new one.
        stack.compose("rm", "--force", "--stop", ADDED, f"{ADDED}-migrate")
        path.write_text(BROKEN_MIGRATION.format(latest=latest), encoding="utf-8")
        try:
            process = stack.compose("up", "--wait", check=False)
            container = stack.compose("ps", "--quiet", ADDED).stdout.strip()
            reason = last_line(stack.logs(f"{ADDED}-migrate"))
        finally:
            path.unlink()
    return process, container, reason


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
    """Return a copy of the project without containers."""
    left_out = shutil.ignore_patterns(".venv", "backups", "__pycache__")
    return Stack(
        shutil.copytree(stack.project, tmp_path / f"{stack.name}_untouched", ignore=left_out)
    )


def test_up_without_env_names_the_command_that_creates_it(untouched):
    (untouched.project / ".env").unlink()
    process = untouched.compose("up", "--wait", check=False)
    assert process.returncode != 0
    assert "run python3 scripts/init_env.py first" in last_line(process.stdout)


def test_the_command_that_creates_env_is_sufficient(untouched):
    (untouched.project / ".env").unlink()
    shutil.rmtree(untouched.project / ".secrets")
    untouched.run("python3", "scripts/init_env.py")
    assert untouched.compose("config", "--quiet", check=False).returncode == 0
