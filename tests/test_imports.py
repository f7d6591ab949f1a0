"""`make lint` refuses an import in the wrong direction."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stack import ROOT

AUTHORIZATION_SERVER = Path("authorization_server") / "accounts"
LIBRARY = Path("packages") / "oauth_resource_server" / "src" / "oauth_resource_server"
SERVICE_KIT = Path("packages") / "service_kit" / "src" / "service_kit"
RESOURCE_SERVER = Path("resource_servers") / "orders" / "api"


def refused(root, folder, module):
    """Return whether ruff in `root` bans `module` in a file of `folder`."""
    ruff = subprocess.run(
        ["ruff", "check", "--no-cache", "--stdin-filename", folder / "models.py", "-"],
        cwd=root,
        input=f"import {module}\n",
        capture_output=True,
        encoding="utf-8",
    )
    assert ruff.stderr == ""
    return f"`{module}` is banned" in ruff.stdout


@pytest.mark.parametrize(
    "module", ["accounts", "api", "client_registry", "config", "introspection"]
)
def test_the_library_imports_no_service(module):
    assert refused(ROOT, "{{cookiecutter.project_slug}}" / LIBRARY, module)


@pytest.mark.parametrize("module", ["accounts", "api", "config", "oauth_resource_server"])
def test_the_service_kit_imports_neither_a_service_nor_the_library(project, module):
    assert refused(project, SERVICE_KIT, module)


@pytest.mark.parametrize("module", ["accounts", "client_registry", "introspection", "oauth"])
def test_a_resource_server_does_not_import_the_authorization_server(project, module):
    assert refused(project, RESOURCE_SERVER, module)


@pytest.mark.parametrize("module", ["api", "oauth_resource_server"])
def test_the_authorization_server_imports_no_resource_server_and_not_the_library(project, module):
    assert refused(project, AUTHORIZATION_SERVER, module)


def test_a_resource_server_may_import_the_library(project):
    assert not refused(project, RESOURCE_SERVER, "oauth_resource_server")


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        ("from client_registry import models", True),
        ("from config import settings", False),
        ("from oauth import validator", False),
        ("from introspection import endpoint", False),
    ],
)
def test_apps_of_the_authorization_server_import_apps_below_them(project, tmp_path, line, is_kept):
    copy = tmp_path / "authorization_server"
    shutil.copytree(project / "authorization_server", copy)
    with (copy / "introspection" / "lookup.py").open("a") as file:
        file.write(f"\n{line}\n")
    lint_imports = Path(sys.executable).with_name("lint-imports")
    linted = subprocess.run(
        [lint_imports, "--no-cache", "pyproject.toml"], cwd=copy, capture_output=True
    )
    assert (linted.returncode == 0) == is_kept
