"""`scripts/run_tests.py` runs every suite in its own folder and hides no failure."""

import shutil

import pytest

SUITES = [
    "authorization_server",
    "packages/oauth_resource_server",
    "resource_servers/inventory",
    "resource_servers/orders",
    "tests",
]
# Two modules of one name in two suites, which one process could not import.
TEST = """
import pathlib
from config import NAME

def test_the_suite_runs_in_its_folder():
    assert pathlib.Path.cwd().name == NAME

def test_other():
    pass
"""


@pytest.fixture
def project(project_without_hooks, tmp_path):
    """Return a project with a small suite in the place of each of its own."""
    scripts = project_without_hooks / "scripts"
    shutil.copytree(scripts, tmp_path / "scripts", ignore=shutil.ignore_patterns("*skeleton"))
    for suite in SUITES:
        folder = tmp_path / suite
        folder.mkdir(parents=True)
        (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n", encoding="utf-8")
        (folder / "config.py").write_text(f"NAME = {folder.name!r}\n", encoding="utf-8")
        (folder / "test_config.py").write_text(TEST, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run_tests(project, run_script):
    """Return a function that runs the script."""

    def run_tests(*arguments):
        return run_script(project, "run_tests", *arguments)

    return run_tests


def suites_that(word, run):
    """Return the suites that have a line with the `word` passed or FAILED."""
    lines = [line.split() for line in run.stdout.splitlines() if line.startswith(f"{word}  ")]
    return sorted(line[1].rstrip(":") for line in lines)


def test_every_suite_runs(run_tests):
    run = run_tests()
    assert (run.returncode, suites_that("passed", run)) == (0, SUITES)


def test_the_end_to_end_tests_come_last(run_tests):
    assert run_tests().stdout.splitlines()[-1].startswith("passed  tests: 2 passed")


@pytest.mark.parametrize("suite", SUITES)
def test_a_failure_in_one_suite_is_one_of_all(run_tests, project, suite):
    (project / suite / "config.py").write_text("NAME = 'another'\n", encoding="utf-8")
    run = run_tests()
    assert (run.returncode, suites_that("FAILED", run)) == (1, [suite])
    assert "assert pathlib.Path.cwd().name == NAME" in run.stdout


def test_a_suite_without_tests_has_failed(run_tests, project):
    (project / "tests" / "test_config.py").unlink()
    assert suites_that("FAILED", run_tests()) == ["tests"]


def test_arguments_are_handed_on(run_tests):
    run = run_tests("--", "-k", "other")
    assert (run.returncode, run.stdout.count("1 passed, 1 deselected")) == (0, len(SUITES))


def test_a_selection_may_leave_nothing_to_run(run_tests):
    assert run_tests("-k", "nothing").returncode == 0
