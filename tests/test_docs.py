"""The documentation names files, modules and links that exist."""

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from stack import ROOT

PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("benchmarks/*.md"),
]
# Files that a service, a tool or the reader creates, and files of other projects.
NOT_IN_GIT = re.compile(
    r"/etc/.*|(\.secrets|web_shop|\.venv|\.uv|backups|build|deploy/issuers|var)/.*|\.env|deploy/stack\.yml|.*resource_servers/billing.*"
)
FILE = re.compile(r"`([\w.{}/-]+\.(?:py|toml|ya?ml|md|sh|conf|json|lock|sql|html|css))`")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
MODULE = re.compile(r"\b((?:oauth_resource_server|service_kit)(?:\.[A-Za-z_]\w*)+)")


@pytest.fixture(scope="module")
def pages(project):
    """Return the root folder and the text of each page by its path."""
    template = {page: (ROOT, page.read_text(encoding="utf-8")) for page in PAGES}
    generated = [page for page in project.rglob("*.md") if ".venv" not in page.parts]
    return template | {page: (project, page.read_text(encoding="utf-8")) for page in generated}


@pytest.fixture(scope="module")
def files(project):
    """Return the relative paths of all files of the template and of a project."""
    found = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not {".git", ".venv", "build"} & set(parts):
            found.add("/".join(parts))
    return found


def without_history(pages):
    """Return all pages except change logs, which may name deleted files."""
    return {page: value for page, value in pages.items() if page.name != "CHANGELOG.md"}


def test_every_file_that_is_named_exists(pages, files):
    missing = [
        f"{page.name}: {name}"
        for page, (_, text) in without_history(pages).items()
        for name in FILE.findall(text)
        if not NOT_IN_GIT.fullmatch(name)
        and not any(file == name or file.endswith(f"/{name}") for file in files)
    ]
    assert missing == []


def test_every_link_leads_to_a_file(pages):
    dead = [
        f"{page.name}: {link}"
        for page, (_, text) in pages.items()
        for link in LINK.findall(text)
        if not (page.parent / unquote(link)).exists()
    ]
    assert dead == []


def test_pages_of_a_site_link_to_its_pages_only(pages, project):
    folders = ROOT / "docs", project / "docs"
    dead = [
        f"{page.name}: {link}"
        for page, (_, text) in pages.items()
        for link in LINK.findall(text)
        for folder in folders
        if page.is_relative_to(folder)
        if not (page.parent / unquote(link)).resolve().is_relative_to(folder)
    ]
    assert dead == []


def test_every_page_is_in_the_navigation_of_the_site(project):
    pages = {path.relative_to(project / "docs").as_posix() for path in project.glob("docs/**/*.md")}
    navigation = (project / "zensical.toml").read_text(encoding="utf-8")
    assert set(re.findall(r'= "([\w/]+\.md)"', navigation)) == pages


def test_every_module_that_is_named_exists(pages, project):
    missing = {
        f"{page.name}: {name}"
        for page, (_, text) in without_history(pages).items()
        for name in MODULE.findall(text)
        if not exists(project, name)
    }
    assert missing == set()


def exists(project, name):
    """Return whether a dotted name is a module or a name in a module."""
    package, *parts = name.split(".")
    path = project / "packages" / package / "src" / package
    while parts:
        if (path / parts[0]).is_dir():
            path /= parts.pop(0)
        elif (path / f"{parts[0]}.py").is_file():
            return len(parts) == 1 or parts[1] in names_in(path / f"{parts[0]}.py")
        else:
            return parts[0] in names_in(path / "__init__.py")
    return True


def names_in(path: Path):
    """Return the names that a module defines or imports at its top level."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
    return names


DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_a_date_a_status_and_consequences(page):
    form = r"# \d+\. .+\n\nDate: \d{4}-\d\d-\d\d\n\nStatus: .+\n\n(## .+\n\n[^#]+)+"
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert (re.fullmatch(form, text) is not None, headings) == (
        True,
        ["Context", "Decision", "Consequences"],
    )


def test_the_list_of_decisions_is_complete():
    text = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\((\d{4}-[\w-]+\.md)\)", text) == [page.name for page in DECISIONS]
