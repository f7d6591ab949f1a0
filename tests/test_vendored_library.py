"""A generated project has the library as vendored source, which its tools skip."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from stack import make

LIBRARY = Path("packages") / "oauth_resource_server"


def test_ruff_skips_the_library(project):
    ruff = ["ruff", "check", "--show-files"]
    files = subprocess.run(ruff, cwd=project, capture_output=True, encoding="utf-8", check=True)
    assert str(LIBRARY) not in files.stdout


def test_pre_commit_skips_the_library(project):
    hooks = (project / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pattern = yaml.safe_load(hooks)["exclude"]
    assert re.match(pattern, f"{LIBRARY.as_posix()}/pyproject.toml")


def test_mypy_skips_the_library(project):
    script = (project / "scripts" / "check_types.py").read_text(encoding="utf-8")
    assert "oauth_resource_server" not in script


def test_the_vendored_library_has_no_tests(project):
    assert [*(project / LIBRARY).rglob("pytest.ini"), *(project / LIBRARY).rglob("test_*.py")] == []


def test_the_vendored_files_are_those_of_the_distribution(project, project_source):
    def files(folder):
        return {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }

    assert files(project / LIBRARY) == files(project_source / LIBRARY)


def test_the_vendored_folder_names_its_version(project):
    metadata = tomllib.loads((project / LIBRARY / "pyproject.toml").read_text(encoding="utf-8"))
    notice = (project / LIBRARY / "VENDORED.md").read_text(encoding="utf-8")
    assert f"version {metadata['project']['version']} " in notice


def test_the_image_builds_without_the_folder(project):
    assert "oauth_resource_server" not in (project / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_project_moves_to_a_published_version_by_deleting_a_folder_and_a_line(bake, tmp_path):
    """Follow VENDORED.md, with a folder of wheels as the package index."""
    project = bake({"resource_servers": "orders"})
    environment = os.environ | {"UV_FIND_LINKS": str(tmp_path)}
    build = ["uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path, project / LIBRARY]
    subprocess.run(build, check=True)
    notice = (project / LIBRARY / "VENDORED.md").read_text(encoding="utf-8")
    line, file = re.search(r"Delete the line `(.*)` from `(.*)`", notice).groups()

    shutil.rmtree(project / LIBRARY)
    text = (project / file).read_text(encoding="utf-8")
    assert text.count(f"{line}\n") == 1
    (project / file).write_text(text.replace(f"{line}\n", ""), encoding="utf-8")
    subprocess.run(["uv", "lock", "--quiet"], cwd=project, env=environment, check=True)
    make(project, "install", env=environment, check=True)

    python = project / ".venv" / "bin" / "python"
    tests = [python, "-m", "pytest", "-q"]
    where = "import oauth_resource_server as package; print(package.__file__)"
    found = subprocess.run([python, "-c", where], capture_output=True, encoding="utf-8").stdout
    assert "site-packages" in found
    assert subprocess.run(tests, cwd=project / "resource_servers" / "orders").returncode == 0
