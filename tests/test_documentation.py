"""The documentation of a project builds without a dead link, and its reference is complete."""

import ast
import re
import subprocess

import pytest
from stack import ROOT, make

COMMANDS = (
    "authorization_server/*/management/commands",
    "packages/*/src/*/management/commands",
)


@pytest.fixture(scope="module")
def page(project_source):
    """Return a function that returns the text of a page."""
    return lambda name: (project_source / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_site_of_a_project_is_built(bake):
    project = bake({"project_name": 'A "quoted" name', "resource_servers": "order-history"})
    assert make(project, "docs").returncode == 0
    index = (project / "site" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="https?://[^"]+\.(?:js|css|woff2?)"', index) == []


@pytest.mark.slow
def test_the_site_of_the_template_is_built():
    assert subprocess.run(["make", "docs"], cwd=ROOT).returncode == 0


def test_every_target_of_make_is_documented(page, project_source):
    makefile = (project_source / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.M)
    assert sorted(re.findall(r"^\| `make ([a-z-]+)` \|", page("commands"), re.M)) == sorted(targets)


def test_every_management_command_is_documented(page, project_source):
    found = {path.stem for each in COMMANDS for path in project_source.glob(f"{each}/[a-z]*.py")}
    assert set(re.findall(r"^\| `([a-z_]+)` \|", page("commands"), re.M)) == found


def test_every_test_that_the_security_page_names_exists(page, project_source):
    files = [*project_source.rglob("test_*.py"), *(ROOT / "tests").rglob("test_*.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    names = {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(re.findall(r"`(test_\w+)`", page("security"))) - names == set()


def test_every_setting_that_the_security_page_names_exists(page, project_source):
    """Those of RFC 9700 are put together from a prefix and a name."""
    package = project_source / "packages" / "service_kit" / "src" / "service_kit" / "__init__.py"
    settings = project_source / "authorization_server" / "config" / "settings.py"
    code = package.read_text(encoding="utf-8") + settings.read_text(encoding="utf-8")
    names = re.findall(r"`(?:COMPLIANT_BCP_RFC9700_)?([A-Z][A-Z_]+)`", page("security"))
    missing = [name for name in names if f'"{name}"' not in code and f"{name} =" not in code]
    assert [name for name in missing if not name.startswith("RESOURCE_SERVER_")] == []


def test_the_calculator_of_the_scaling_page_prints_its_table(page, capsys):
    code = re.search(r"```python\n(.*?)```", page("scaling"), re.S)[1]
    exec(code, {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(f"\n{line}\n" in page("scaling") for line in lines)


def test_every_type_of_client_is_documented(page, project_source):
    types = (project_source / "scripts" / "client_types.toml").read_text(encoding="utf-8")
    table = page("recipes").partition("## Clients")[2].partition("\n### ")[0]
    named = {name for name in re.findall(r"`(\w+)`", table) if f"[{name}]" in types}
    assert named == set(re.findall(r"^\[(\w+)\]$", types, flags=re.M))
