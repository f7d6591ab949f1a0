"""The examples of the pages about issuers, variables and files, are complete configurations."""

import re
from pathlib import Path

import pytest
from oauth_resource_server.conf import read_conf
from oauth_resource_server.issuers.environment import issuers_from_environment
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.presets import BUNDLED, PRESETS

PROJECT = Path(__file__).resolve().parents[3] / "{{cookiecutter.project_slug}}"
FOLDER = PROJECT / "docs" / "issuers"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}
# The presets that have a page.
VENDORS = sorted(set(PRESETS) - {BUNDLED})
# Variables that the files of the pages name.
SECRETS = {"OKTA_CLIENT_SECRET": "s3cret"}


def blocks(kind, beginning):
    """Return the code blocks of `kind` that have a line with this beginning."""
    return [
        pytest.param(block, id=f"{page}-{number}")
        for page, text in PAGES.items()
        for number, block in enumerate(re.findall(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S))
        if re.search(rf"^{re.escape(beginning)}", block, re.M)
    ]


def read(configure, variables, folder):
    """Return the issuers that `variables` configure."""

    def env(name, default):
        return variables.get(name, default)

    configure(ISSUERS=issuers_from_environment(env, "ORDERS", folder))
    return read_issuers(read_conf())


@pytest.mark.parametrize("block", blocks("sh", "ISSUERS="))
def test_the_variables_of_a_page_are_complete(configure, tmp_path, block):
    variables = dict(line.split("=", 1) for line in block.splitlines())
    if "," not in variables["ISSUERS"]:  # The overview shows a list without options.
        assert len(read(configure, variables, tmp_path)) == 1


@pytest.mark.parametrize("block", blocks("toml", "[[issuers]]"))
def test_the_file_of_a_page_is_complete(configure, tmp_path, block):
    (tmp_path / "issuers.toml").write_text(block, encoding="utf-8")
    variables = {"ISSUERS_CONFIG": "issuers.toml"} | SECRETS
    assert len(read(configure, variables, tmp_path)) == block.count("[[issuers]]")


def test_every_preset_has_a_page():
    assert set(PAGES) == {"README", *VENDORS}


@pytest.mark.parametrize("page", VENDORS)
def test_the_overview_links_every_page(page):
    assert f"({page}.md)" in PAGES["README"]


@pytest.mark.parametrize("page", VENDORS)
def test_a_page_names_its_sources(page):
    assert "\n## Sources\n" in PAGES[page]
