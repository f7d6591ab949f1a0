"""`manage.py resource_server_doctor` of a resource server, with the real authorization server."""

import subprocess
import sys

import pytest
from _project import env_prefix
from conftest import ROOT
from infrastructure import machine_token

WRONG_SECRET = "wrong-0123456789-0123456789-0123456789"


@pytest.fixture
def doctor(stack, first):
    """Return a function that runs the command with some other variables."""

    def doctor(*options, token="", **variables):
        for _ in range(5):
            done = subprocess.run(
                [sys.executable, "manage.py", "resource_server_doctor", *options],
                input=token,
                cwd=ROOT / "resource_servers" / first["name"],
                env=stack.environment | variables,
                capture_output=True,
                encoding="utf-8",
            )
            # It waits 2 seconds for an answer; a busy machine may need longer.
            if "no answer" not in done.stdout.lower() and "no document" not in done.stdout:
                break
        return done

    return doctor


def problems(done):
    return [line for line in done.stdout.splitlines() if line.startswith("problem")]


def test_a_stack_that_runs_has_no_problem(doctor):
    done = doctor()
    assert (done.returncode, problems(done)) == (0, []), done.stdout


def test_a_wrong_secret_is_the_one_problem_and_its_line_is_named(doctor, first):
    name = f"{env_prefix(first['name'])}_INTROSPECTION_CLIENT_SECRET"
    done = doctor(**{name: WRONG_SECRET})
    assert (done.returncode, [name in line for line in problems(done)]) == (1, [True])


def test_an_overdue_rotation_is_a_warning(doctor, first):
    name = f"{env_prefix(first['name'])}_INTROSPECTION_CLIENT_SECRET"
    lines = doctor(**{name: f"20200101-{WRONG_SECRET}"}).stdout.splitlines()
    assert [line for line in lines if line.startswith("warning") and name in line] != []


def test_another_issuer_is_the_one_problem_and_its_line_is_named(doctor, stack):
    done = doctor(
        AUTHORIZATION_SERVER_URL="https://elsewhere.example.com",
        AUTHORIZATION_SERVER_INTERNAL_URL=stack.url,
    )
    found = ["AUTHORIZATION_SERVER_URL in .env" in line for line in problems(done)]
    assert (done.returncode, found) == (1, [True])


@pytest.mark.parametrize("accepted", [True, False])
def test_a_token_is_examined_and_not_printed(doctor, stack, first, second, accepted):
    server = first if accepted else second
    token = machine_token(stack, f"{server['name']}:read")
    done = doctor("--token", token=f"{token}\n")
    last = done.stdout.splitlines()[-1]
    assert last.startswith("ok       token: " if accepted else "problem  token: "), done.stdout
    assert token not in done.stdout + done.stderr


def test_neither_secret_is_printed(doctor, first, stack):
    secret = stack.env[f"{env_prefix(first['name'])}_INTROSPECTION_CLIENT_SECRET"]
    done = doctor()
    assert secret not in done.stdout + done.stderr
