"""The settings of docs/library.md are valid. That they work is tested with real servers, from
tests/external_issuers/test_library_page.py."""

import os
import re
from pathlib import Path

import pytest
from oauth_resource_server.checks import check_settings
from oauth_resource_server.conf import conf
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.presets import PRESETS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "library.md").read_text(encoding="utf-8")
COMMON = re.search(r"```python\n# settings\.py\n(.*?)```", PAGE, re.S)[1]
BLOCKS = dict(re.findall(r"```python\n# settings\.py for (\S+)\n(.*?)```", PAGE, re.S))
VENDORS = {"django-oauth-toolkit": "authorization_server"}


@pytest.fixture(params=BLOCKS)
def vendor(request, settings, monkeypatch):
    """Each authorization server of the page, with the settings for it."""
    monkeypatch.setitem(os.environ, "INTROSPECTION_SECRET", "s3cret")
    names = {}
    exec(BLOCKS[request.param], names)
    settings.OAUTH2_PROVIDER = names.get("OAUTH2_PROVIDER", {}) | {"SCOPES": {"orders:read": ""}}
    settings.OAUTH_RESOURCE_SERVER = names["OAUTH_RESOURCE_SERVER"]
    return VENDORS.get(request.param, request.param)


def test_every_preset_but_the_opaque_one_has_a_block():
    assert {VENDORS.get(name, name) for name in BLOCKS} == set(PRESETS) - {"rfc7662"}


def test_the_settings_pass_the_system_checks(vendor):
    wrong_scope = "the scopes here are orders:read."  # orders:write is another project's
    assert [one for one in check_settings(None) if not one.msg.endswith(wrong_scope)] == []


def test_the_settings_name_the_issuer(vendor):
    assert [one.preset for one in read_issuers(conf())] == [vendor]


@pytest.mark.parametrize("name", BLOCKS)
def test_ten_lines_of_settings_are_enough(name):
    lines = (COMMON + BLOCKS[name]).splitlines()
    assert len([line for line in lines if line.strip()]) <= 10
