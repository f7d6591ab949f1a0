"""What stands in the way of `up` is said in one sentence, with the command that repairs it."""

import re
import shutil
import socket

import pytest
from compose import ADDED, FIRST, Stack
from stack import read_env, use_free_ports

pytestmark = pytest.mark.slow

BROKEN_MIGRATION = """
from django.db import migrations


def fail(apps, schema_editor):
    raise RuntimeError("the shelves are on fire")


class Migration(migrations.Migration):
    dependencies = [("api", "0001_initial")]
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
    assert "volume was made with another one" in stale[1]


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


@pytest.fixture(scope="module")
def lost(grown_stack):
    """Lose `.secrets/` while everything runs, and do what `make up` says.

    Returns:
        What `make up` said at first, and at last.
    """
    stack = grown_stack
    stack.add_item(FIRST, "older than the loss")
    with stack.spoiled():
        shutil.rmtree(stack.project / ".secrets")
        first = stack.make("up", check=False)
        repair(stack, first.stdout)
        last = stack.make("up", check=False)
    return first, last


def test_secrets_that_were_lost_while_everything_runs_are_a_problem(lost):
    assert lost[0].returncode != 0


def test_the_commands_that_it_prints_repair_that_too_and_keep_the_data(stack, lost):
    assert lost[1].returncode == 0, lost[1].stdout
    assert stack.has_item(FIRST, "older than the loss")


# --- A step that fails ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def failed_step(grown_stack):
    """Start with a migration of one resource server that fails.

    Returns:
        The processes of `docker compose up` and of `make up`, the running container of that
        resource server, and the last line of the step that failed.
    """
    stack = grown_stack
    path = stack.project / "resource_servers" / ADDED / "api" / "migrations" / "0002_broken.py"
    with stack.spoiled():
        # As if both were new: nothing of them runs.
        stack.compose("rm", "--force", "--stop", ADDED, f"{ADDED}-migrate")
        path.write_text(BROKEN_MIGRATION, encoding="utf-8")
        try:
            plain = stack.compose("up", "--wait", check=False)
            listens = stack.compose("ps", "--quiet", ADDED).stdout.strip()
            reason = last_line(stack.logs(f"{ADDED}-migrate"))
            made = stack.make("up", check=False)
        finally:
            path.unlink()
    return plain, made, listens, reason


def test_a_migration_that_fails_stops_up(failed_step):
    assert failed_step[0].returncode != 0


def test_up_names_the_step_that_has_failed(failed_step):
    assert f"{ADDED}-migrate" in last_line(failed_step[0].stdout)


def test_the_reason_is_the_last_line_of_the_step(failed_step):
    assert "the shelves are on fire" in failed_step[3]


def test_make_up_prints_the_reason_last(failed_step):
    made = failed_step[1]
    lines = [line for line in made.stdout.splitlines() if not line.startswith("make: ***")]
    assert (made.returncode != 0, "the shelves are on fire" in lines[-1]) == (True, True)


def test_a_resource_server_does_not_start_without_its_migration(failed_step):
    assert failed_step[2] == ""


# --- Before anything starts -----------------------------------------------------------------------


@pytest.fixture
def untouched(stack, tmp_path):
    """Return a copy of the project, with other ports, none of whose containers was ever made."""
    left_out = shutil.ignore_patterns(".venv", "backups", "__pycache__")
    project = shutil.copytree(stack.project, tmp_path / f"{stack.name}_untouched", ignore=left_out)
    use_free_ports(project)
    untouched = Stack(project)
    yield untouched
    if (project / ".env").exists():
        untouched.remove()


@pytest.fixture
def taken(untouched):
    """Listen on the port of the first resource server; return its number."""
    port = read_env(untouched.project)["ORDERS_PORT"]
    with socket.create_server(("127.0.0.1", int(port))):
        yield port


def test_a_port_in_use_is_named_with_the_lines_to_change(untouched, taken):
    process = untouched.make("up", check=False)
    line = (
        f"Port {taken} of {FIRST}: Address already in use. Stop what uses it, or change "
        "ORDERS_PORT and ORDERS_URL in .env."
    )
    assert (process.returncode != 0, line in process.stdout.splitlines()) == (True, True)


def test_nothing_is_started_when_a_port_is_in_use(untouched, taken):
    untouched.make("up", check=False)
    assert untouched.containers() == []


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


def test_make_up_without_an_engine_is_one_sentence(untouched):
    untouched.variables = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    process = untouched.make("up", check=False)
    assert "Traceback" not in process.stdout
    assert "systemctl start docker" in process.stdout
