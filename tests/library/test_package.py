"""The distribution: its public names, docstrings and dependencies."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import oauth_resource_server
import pytest

SOURCE = Path(oauth_resource_server.__file__).parent


@pytest.mark.parametrize("name", oauth_resource_server.__all__)
def test_every_public_name_exists(name):
    assert hasattr(oauth_resource_server, name)


def test_the_public_names_need_neither_settings_nor_apps():
    code = "from oauth_resource_server import *; AccessToken(sub='alice').is_valid()"
    environment = {"PYTHONPATH": f"{SOURCE.parent}"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("name", [path.stem for path in SOURCE.glob("[a-z]*.py")])
def test_every_module_says_what_it_is_for(name):
    assert ast.get_docstring(ast.parse((SOURCE / f"{name}.py").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", oauth_resource_server.__all__)
def test_every_public_name_has_a_docstring(name):
    assert getattr(oauth_resource_server, name).__doc__


def test_the_tests_have_the_dependencies_of_the_library():
    library = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    mine = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text(encoding="utf-8"))
    assert mine["dependency-groups"]["library"] == library["project"]["dependencies"]


@pytest.mark.parametrize("line", ["", "def late(): from oauth_resource_server import metrics"])
def test_the_layers_refuse_an_import_in_the_wrong_direction(line, tmp_path):
    shutil.copytree(SOURCE, tmp_path / "oauth_resource_server")
    with open(tmp_path / "oauth_resource_server" / "tokens.py", "a", encoding="utf-8") as tokens:
        tokens.write(line)
    contracts = Path(__file__).with_name("pyproject.toml")
    lint_imports = Path(sys.executable).with_name("lint-imports")
    command = [lint_imports, "--no-cache", contracts]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == bool(line)
