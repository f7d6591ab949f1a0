"""A generated project carries the library as vendored source, and leaves it alone."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

LIBRARY = Path("packages") / "oauth_resource_server"


def test_ruff_leaves_the_library_alone(project):
    ruff = ["ruff", "check", "--show-files"]
    files = subprocess.run(ruff, cwd=project, capture_output=True, encoding="utf-8", check=True)
    assert str(LIBRARY) not in files.stdout


def test_pre_commit_leaves_the_library_alone(project):
    hooks = (project / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pattern = yaml.safe_load(hooks)["exclude"]
    assert re.match(pattern, f"{LIBRARY.as_posix()}/pyproject.toml")


def test_mypy_leaves_the_library_alone(project):
    script = (project / "scripts" / "check_types.py").read_text(encoding="utf-8")
    assert "oauth_resource_server" not in script


def test_the_library_brings_no_tests(project):
    assert [*(project / LIBRARY).rglob("pytest.ini"), *(project / LIBRARY).rglob("test_*.py")] == []


def test_the_vendored_folder_names_its_version(project):
    metadata = tomllib.loads((project / LIBRARY / "pyproject.toml").read_text(encoding="utf-8"))
    notice = (project / LIBRARY / "VENDORED.md").read_text(encoding="utf-8")
    assert f"version {metadata['project']['version']} " in notice
