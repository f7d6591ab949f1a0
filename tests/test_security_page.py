"""docs/security.md of a project names tests that exist."""

import re

import pytest
from stack import ROOT

SECTION = "## RFC 9700, line by line"
NAME = re.compile(r"`(?:([\w/]+\.py)::)?(test_\w+)`")


@pytest.fixture(scope="module")
def page(project):
    return (project / "docs" / "security.md").read_text(encoding="utf-8")


def defines(path, name):
    """Return whether a file has a test."""
    return path.is_file() and f"def {name}(" in path.read_text(encoding="utf-8")


def test_each_line_of_the_table_names_a_test_and_its_file(page):
    table = page.partition(SECTION)[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(lines) > 20
    assert [line for line in lines if not any(file for file, _ in NAME.findall(line))] == []


def test_each_test_is_in_the_file_that_is_named(page, project):
    named = [(file, name) for file, name in NAME.findall(page) if file]
    roots = [(ROOT if file.startswith("tests/") else project, file, name) for file, name in named]
    assert [one[1:] for one in roots if not defines(one[0] / one[1], one[2])] == []


def test_each_test_that_is_named_without_a_file_exists(page, project):
    files = [*(ROOT / "tests").rglob("test_*.py")]
    files += [path for path in project.rglob("test_*.py") if ".venv" not in path.parts]
    names = {name for file, name in NAME.findall(page) if not file}
    assert {name for name in names if not any(defines(path, name) for path in files)} == set()
