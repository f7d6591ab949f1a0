"""The settings refuse what is wrong, in a process of their own and in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BASE_DIR = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("DEBUG", "perhaps"),
        ("LOG_LEVEL", "verbose"),
        ("RESOURCE_SERVER_TOKEN_CACHING_SECONDS", "a minute"),
        ("WEB_THREADS", "-1"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_in_one_sentence(name, value):
    process = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", name: value},
        capture_output=True,
        encoding="utf-8",
    )
    [line] = process.stderr.splitlines()
    assert (process.returncode, name in line) == (1, True)
