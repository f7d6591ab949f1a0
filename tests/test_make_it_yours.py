"""Every change that the README of a project describes leaves its own tests and lint passing."""

import re
import subprocess

import pytest
from owner import add_endpoint, add_field, add_scope, add_setting, edit
from stack import make, use_free_ports

pytestmark = pytest.mark.slow
UNIVERSAL_WHEEL = "tomli-w>=1"  # Small, without dependencies, and in no project.


@pytest.fixture(scope="module")
def project(bake):
    """Return a project to which its owner did everything below "Make it yours"."""
    project = bake()
    use_free_ports(project)
    make(project, "install", check=True)
    add_endpoint(project)
    add_field(project)
    add_scope(project)
    make(project, "client", "name=web-shop", check=True)
    make(project, "resource-server", "name=billing", check=True)
    authorization_server = project / "authorization_server"
    add_setting(authorization_server, 'OAUTH2_PROVIDER["ACCESS_TOKEN_EXPIRE_SECONDS"] = 1800')
    add_setting(authorization_server, 'CLAIMS["staff"] = Claim("is_staff", "profile", ["orders"])')
    edit(
        project / "resource_servers" / "pyproject.toml",
        r"^(dependencies = \[\n)",
        rf'\1    "{UNIVERSAL_WHEEL}",\n',
    )
    subprocess.run(["uv", "lock", "--quiet"], cwd=project, check=True)
    make(project, "install", check=True)
    make(project, "format", check=True)
    return project


def test_the_bullets_are_those_that_are_tried(project):
    readme = (project / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Make it yours")[2].partition("\n## ")[0]
    assert re.findall(r"^- \*\*(.+?)\*\*", section, flags=re.M) == [
        "Your API",
        "A migration",
        "A scope",
        "A lifetime",
        "A claim",
        "Another resource server",
        "A client",
        "Accounts",  # docs/accounts.md
        "An administrator",  # test_readme.py
        "Tokens of another issuer",  # docs/issuers, tests/external_issuers
        "A setting",
        "A dependency",
        "A newer version of the template",  # test_update.py
    ]


def test_its_tests_pass(project):
    assert make(project, "test").returncode == 0


def test_its_lint_passes(project):
    assert make(project, "lint").returncode == 0
