"""A one-shot step writes one JSON object for each line, and ends as its program does."""

import json
import os
import subprocess
import sys

import pytest


def run(script, environment="production"):
    """Run a shell script as a step."""
    return subprocess.run(
        [sys.executable, "-m", "service_kit.logging", "sh", "-c", script],
        env=os.environ | {"ENVIRONMENT": environment},
        capture_output=True,
        encoding="utf-8",
    )


def test_each_line_is_an_object_with_the_keys_of_every_service():
    [out, err] = map(json.loads, run("echo 'to \"out\"'; echo to err >&2").stderr.splitlines())
    assert list(out) == list(err) == ["time", "level", "logger", "request_id", "message"]
    assert (out["message"], err["message"]) == ('to "out"', "to err")


def test_an_object_that_the_program_has_logged_is_left_alone():
    assert run("""echo '{"level": "ERROR"}'""").stderr == '{"level": "ERROR"}\n'


def test_a_failure_is_an_error_with_the_exit_code_of_the_program():
    process = run("exit 3")
    assert (process.returncode, json.loads(process.stderr)["level"]) == (3, "ERROR")


@pytest.mark.parametrize("code", [0, 3])
def test_development_has_the_lines_of_the_program(code):
    process = run(f"echo hello; exit {code}", "development")
    assert (process.stdout, process.returncode) == ("hello\n", code)
