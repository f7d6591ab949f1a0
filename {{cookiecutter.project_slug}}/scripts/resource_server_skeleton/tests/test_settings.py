"""The settings refuse what is wrong, in a process of their own and in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import settings

BASE_DIR = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("DEBUG", "perhaps"),
        ("LOG_LEVEL", "verbose"),
        ("RESOURCE_SERVER_TOKEN_CACHING_SECONDS", "a minute"),
        ("WEB_THREADS", "-1"),
        (f"{settings.PREFIX}_CACHE_URL", "valkey"),
        (f"{settings.PREFIX}_DATABASE_URL", "nowhere"),
        (f"{settings.PREFIX}_DATABASE_URL", "postgres://somebody:hidden@database:port/name"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_in_one_sentence(name, value):
    process = check(**{name: value})
    [line] = process.stderr.splitlines()
    assert (process.returncode, name in line, "hidden" in line) == (1, True, False)


def test_an_empty_url_of_a_database_is_as_good_as_none():
    assert check(**{f"{settings.PREFIX}_DATABASE_URL": ""}).returncode == 0


def check(**variables):
    """Run ``manage.py check`` with some more variables."""
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | variables,
        capture_output=True,
        encoding="utf-8",
    )
