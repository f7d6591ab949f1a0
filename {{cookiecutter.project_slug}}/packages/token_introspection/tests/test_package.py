"""The package from outside: its public names, its imports and its documentation."""

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

import token_introspection
from token_introspection import checks
from token_introspection.conf import Conf

SOURCE = Path(token_introspection.__file__).parent
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
# Each imports from those to its right only.
ORDER = [
    *("apps", "schema", "checks", "health", "metadata", "exception_handler", "authentication"),
    *(
        "decorators",
        "oauth2_validator",
        "middleware",
        "answers",
        "validation",
        "cache",
        "shared_cache",
    ),
    *("flights", "waiting_room", "garbage", "issuers", "breaker"),
    *("introspection", "http_client", "transport", "deadlines", "users", "permissions"),
    *("throttling", "metrics", "request_id"),
    *("tokens", "errors", "conf"),
]
GROUND_FLOOR = ORDER[-3:]


def imports_of(module):
    """Return the modules of the package that `module` imports when it is itself imported."""
    found = set()
    for path in [SOURCE / f"{module}.py", *(SOURCE / module).rglob("*.py")]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body if path.exists() else ():
            if isinstance(node, ast.ImportFrom):
                package, *names = node.module.split(".")
                if package == "token_introspection":
                    found |= {names[0]} if names else {alias.name for alias in node.names}
    return found - {module}


@pytest.mark.parametrize("name", token_introspection.__all__)
def test_every_public_name_exists(name):
    assert hasattr(token_introspection, name)


def test_the_public_names_need_neither_settings_nor_apps():
    code = "from token_introspection import *; AccessToken(sub='alice').is_valid()"
    environment = {"PYTHONPATH": f"{SOURCE.parent}"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_every_module_has_its_place():
    assert {path.stem for path in SOURCE.glob("[a-z]*.py")} == set(ORDER) - {"issuers"}


@pytest.mark.parametrize("module", ORDER)
def test_imports_run_one_way(module):
    assert imports_of(module) <= set(ORDER[ORDER.index(module) + 1 :])


@pytest.mark.parametrize("module", GROUND_FLOOR)
def test_the_ground_floor_imports_nobody(module):
    assert imports_of(module) == set()


@pytest.mark.parametrize("name", [path.stem for path in SOURCE.glob("[a-z]*.py")])
def test_every_module_says_what_it_is_for(name):
    assert ast.get_docstring(ast.parse((SOURCE / f"{name}.py").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", token_introspection.__all__)
def test_every_public_name_is_documented(name):
    assert getattr(token_introspection, name).__doc__


def settings_that_are_read():
    source = (SOURCE / "conf.py").read_text(encoding="utf-8")
    return re.findall(r'(?:dot|own)\.get\(\s*"(\w+)"', source)


def test_every_field_of_the_settings_is_read_from_one():
    assert len(settings_that_are_read()) == len(dataclasses.fields(Conf))


@pytest.mark.parametrize("name", settings_that_are_read())
def test_every_setting_is_documented(name):
    assert f"`{name}`" in README


def system_checks():
    source = Path(checks.__file__).read_text(encoding="utf-8")
    return re.findall(r"_(error|warning)\((\d+),", source)


@pytest.mark.parametrize(("kind", "number"), system_checks())
def test_every_system_check_is_documented(kind, number):
    assert f"{kind[0].upper()}{int(number):03}" in README
