"""The package from outside: its public names, its imports and its documentation."""

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import oauth_resource_server
import pytest
from oauth_resource_server import checks
from oauth_resource_server.conf import Conf

SOURCE = Path(oauth_resource_server.__file__).parent
README = (SOURCE.parents[1] / "README.md").read_text(encoding="utf-8")


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
def test_every_public_name_is_documented(name):
    assert getattr(oauth_resource_server, name).__doc__


@pytest.mark.parametrize("name", [one.metadata["setting"] for one in dataclasses.fields(Conf)])
def test_every_setting_is_documented(name):
    assert f"`{name}`" in README


def system_checks():
    source = Path(checks.__file__).read_text(encoding="utf-8")
    return re.findall(r"_(error|warning)\((\d+),", source)


@pytest.mark.parametrize(("kind", "number"), system_checks())
def test_every_system_check_is_documented(kind, number):
    assert f"{kind[0].upper()}{int(number):03}" in README
