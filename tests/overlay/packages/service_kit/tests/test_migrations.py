"""After a change of the code, the log says which command the models or the database need."""

import os
import subprocess
import sys

import pytest

SETTINGS = """
from tests.settings import *
INSTALLED_APPS += ["shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "database"}}
"""
MODELS = "from django.db import models\nclass Thing(models.Model):\n    pass\n"
REPORT = """
import django
django.setup()
from service_kit.worker import report_missing_migration
report_missing_migration()
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs Python for a service whose model has no migration."""
    (tmp_path / "shop" / "migrations").mkdir(parents=True)
    files = {"own_settings": SETTINGS, "shop/models": MODELS, "shop/migrations/__init__": ""}
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.getcwd(), os.path.join(os.getcwd(), "src")])
    variables = {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "own_settings"}

    def run(*arguments):
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stderr.splitlines()

    return run


def test_a_model_without_its_migration_and_one_that_is_not_applied_are_named(run, tmp_path):
    manage = f"{sys.executable} {tmp_path / 'manage.py'}"
    assert run("-c", REPORT) == [
        f"A model has changed, but has no migration: run `{manage} makemigrations`.",
        f"A migration is not applied: run `{manage} migrate`.",
    ]


def test_nothing_is_reported_once_both_commands_have_run(run):
    run("-m", "django", "makemigrations", "shop")
    run("-m", "django", "migrate")
    assert run("-c", REPORT) == []


def test_migrations_that_conflict_are_one_line_with_the_command_that_merges_them(run, tmp_path):
    run("-m", "django", "makemigrations", "shop")
    first = tmp_path / "shop" / "migrations" / "0002_mine.py"
    run("-m", "django", "makemigrations", "shop", "--empty", "--name", "mine")
    first.with_name("0002_theirs.py").write_bytes(first.read_bytes())
    (line,) = run("-c", REPORT)
    assert line.startswith("Conflicting migrations detected")
    assert line.endswith("python manage.py makemigrations --merge'")
