"""The reference page describes every public name, and names nothing that does not exist."""

import dataclasses
import inspect
import re
from importlib import import_module
from pathlib import Path

import oauth_resource_server
import pytest
from oauth_resource_server import checks, doctor, metrics, testing
from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.options import COMMON
from oauth_resource_server.issuers.presets import PRESETS, parameters_of
from oauth_resource_server.rest_framework import permissions, throttling
from prometheus_client import Counter, Gauge, Histogram

SOURCE = Path(oauth_resource_server.__file__).parent
PACKAGE = SOURCE.parents[1]
REFERENCE = (PACKAGE / "REFERENCE.md").read_text(encoding="utf-8")
PAGES = {
    "README.md": (PACKAGE / "README.md").read_text(encoding="utf-8"),
    "REFERENCE.md": REFERENCE,
    "docs/library.md": (Path(__file__).resolve().parents[2] / "docs" / "library.md").read_text(
        encoding="utf-8"
    ),
}
DOTTED = re.compile(r"\boauth_resource_server(?:\.\w+)+")
TABLE_OF_NAMES = re.compile(
    r"^\| \w+ (?:in|of) `(oauth_resource_server[.\w]*)` .*\n\|[-|]+\n((?:\|.*\n)+)", re.M
)


def public_members(thing):
    return [name for name in dir(thing) if not name.startswith("_")]


def defined_in(module):
    classes = inspect.getmembers(module, inspect.isclass)
    return [name for name, one in classes if one.__module__ == module.__name__]


def metric_names():
    metric_type = (Counter, Gauge, Histogram)
    collectors = [one for one in vars(metrics).values() if isinstance(one, metric_type)]
    return [one.describe()[0].name + "_total" * isinstance(one, Counter) for one in collectors]


def documented_names():
    """Return every dotted name in the pages, and each name in a table of names."""
    names = {name for text in PAGES.values() for name in DOTTED.findall(text)}
    for prefix, rows in TABLE_OF_NAMES.findall(REFERENCE):
        for row in rows.splitlines():
            first_cell = row.split(" | ")[0]
            names |= {f"{prefix}.{name}" for name in re.findall(r"`([\w.]+)[`(]", first_cell)}
    return sorted(names - {f"oauth_resource_server.{check}" for check in ("E", "W")})


def exists(dotted):
    """Return whether a dotted name is a module or an attribute of one."""
    parts = dotted.split(".")
    for number in range(len(parts), 0, -1):
        try:
            thing = import_module(".".join(parts[:number]))
        except ImportError:
            continue
        for part in parts[number:]:
            if not hasattr(thing, part):
                return False
            thing = getattr(thing, part)
        return True
    return False


def test_the_tables_of_names_are_found():
    assert len(TABLE_OF_NAMES.findall(REFERENCE)) == 4


@pytest.mark.parametrize("name", documented_names())
def test_every_documented_name_exists(name):
    assert exists(name)


@pytest.mark.parametrize(
    "name",
    [
        *oauth_resource_server.__all__,
        *doctor.__all__,
        *testing.__all__,
        *public_members(testing.AuthorizationServer),
        *defined_in(permissions),
        *defined_in(throttling),
    ],
)
def test_every_public_name_is_described(name):
    assert re.search(rf"[`.]{name}\b", REFERENCE)


@pytest.mark.parametrize("name", public_members(oauth_resource_server.AccessToken))
def test_every_attribute_of_a_token_is_described(name):
    undocumented = {"application", "machine", "rest", "extra_claims_json"}
    assert name in undocumented or f"`{name}" in REFERENCE


@pytest.mark.parametrize("name", [one.metadata["setting"] for one in dataclasses.fields(Conf)])
def test_every_setting_is_described(name):
    assert f"`{name}`" in REFERENCE.partition("## Settings")[2]


@pytest.mark.parametrize(
    ("kind", "number"),
    re.findall(r"_(error|warning)\((\d+),", Path(checks.__file__).read_text(encoding="utf-8")),
)
def test_every_system_check_is_described(kind, number):
    section = REFERENCE.partition("## System checks")[2].partition("\n## ")[0]
    assert f"{kind[0].upper()}{int(number):03}" in section


@pytest.mark.parametrize("name", metric_names())
def test_every_metric_is_described(name):
    assert f"| `{name}` |" in REFERENCE


@pytest.mark.parametrize(
    "name",
    [path.stem for path in (SOURCE / "management" / "commands").glob("[a-z]*.py")],
)
def test_every_management_command_is_described(name):
    assert f"`manage.py {name}`" in REFERENCE


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_described_with_its_options(preset):
    row = next(line for line in REFERENCE.splitlines() if line.startswith(f"| `{preset}` |"))
    assert [name for name in parameters_of(preset) if f"`{name}`" not in row] == []


@pytest.mark.parametrize("option", COMMON)
def test_every_common_option_is_described(option):
    assert re.search(rf"^\| .*`{option}`", REFERENCE, re.M)
