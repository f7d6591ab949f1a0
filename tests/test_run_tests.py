"""`scripts/run_tests.py` runs every suite in its folder and reports every failure."""

import shutil

import pytest

SUITES = [
    "authorization_server",
    "packages/service_kit",
    "resource_servers/inventory",
    "resource_servers/orders",
    "tests",
]
# All suites have a module of the same name, which one process could not import twice.
TEST = """
import pathlib
from config import NAME

def test_the_suite_runs_in_its_folder():
    assert pathlib.Path.cwd().name == NAME
"""


@pytest.fixture
def project(project_without_hooks, tmp_path):
    """Return a project whose suites have one small test each."""
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
    return lambda *names: run_script(project, "run_tests", *names)


def headings(run):
    """Return the lines that the script itself prints, without their marker."""
    return [line[4:] for line in run.stdout.splitlines() if line.startswith("=== ")]


def test_every_suite_runs_and_the_end_to_end_tests_come_last(run_tests):
    run = run_tests()
    assert (run.returncode, headings(run)) == (0, [*SUITES, "All suites passed."])


def test_the_progress_of_each_suite_is_printed(run_tests):
    assert run_tests().stdout.count("[100%]") == len(SUITES)


@pytest.mark.parametrize("suite", SUITES)
def test_a_failure_in_one_suite_is_a_failure(run_tests, project, suite):
    (project / suite / "config.py").write_text("NAME = 'another'\n", encoding="utf-8")
    run = run_tests()
    assert (run.returncode, headings(run)[-1]) == (1, f"FAILED: {suite}")
    assert "assert pathlib.Path.cwd().name == NAME" in run.stdout


def test_a_suite_without_tests_fails(run_tests, project):
    (project / "tests" / "test_config.py").unlink()
    assert headings(run_tests())[-1] == "FAILED: tests"


def test_one_suite_can_be_selected_by_its_name(run_tests):
    assert headings(run_tests("orders")) == ["resource_servers/orders", "All suites passed."]


def test_an_unknown_suite_is_refused_with_the_known_names(run_tests):
    run = run_tests("billing")
    assert (run.returncode, run.stdout, run.stderr) == (
        1,
        "",
        "There is no suite billing. Suites: authorization_server, service_kit, inventory, orders, "
        "tests.\n",
    )
