"""The manifests of resource servers are read once, and refused with file and key."""

import pytest
from client_registry.manifests import read_manifests, resource_servers
from client_registry.schema import RegistryError
from django.core.checks import run_checks

MANIFEST = """
name = "billing"
title = "Billing"
audience = "https://billing.example.com"
[scopes]
"billing:read" = "See your invoices"
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder for manifests."""
    return tmp_path / "servers"


@pytest.fixture
def write(folder):
    """Return a function that writes a manifest, and forgets those that were read."""

    def write(text, name="billing"):
        path = folder / name / "resource_server.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        read_manifests.cache_clear()

    return write


def test_a_manifest_is_a_resource_server(folder, write):
    write(MANIFEST)
    server = read_manifests(folder)["billing"]
    assert server.title == "Billing"
    assert server.audience == "https://billing.example.com"
    assert server.scopes == {"billing:read": "See your invoices"}
    assert server.client_name == "billing-introspection"


def test_the_resource_servers_are_those_of_the_setting():
    assert list(resource_servers()) == ["inventory", "orders"]


def test_the_manifests_are_read_once(folder, write):
    write(MANIFEST)
    assert read_manifests(folder) is read_manifests(folder)


def test_nothing_can_be_changed_by_mistake(folder, write):
    write(MANIFEST)
    with pytest.raises(TypeError):
        read_manifests(folder)["billing"].scopes["billing:all"] = "Everything"


def test_a_folder_without_a_manifest_is_no_resource_server(folder, write):
    write(MANIFEST)
    (folder / "notes").mkdir()
    assert list(read_manifests(folder)) == ["billing"]


def test_there_may_be_no_resource_server(folder):
    folder.mkdir()
    assert read_manifests(folder) == {}


BAD = {
    "no TOML": (('name = "billing"', "name = billing"), "cannot be read"),
    "an unknown key": (
        ("[scopes]", "scope = 1\n[scopes]"),
        "unknown field `scope`; known are name, title, scopes, audience",
    ),
    "no title": (('title = "Billing"', ""), "missing required field `title`"),
    "an empty title": (('"Billing"', '""'), "title: expected a line of text, got ''"),
    "a title of two lines": (('"Billing"', '"a\\nb"'), "title:"),
    "a title that is a number": (('"Billing"', "1"), "title: Expected `str`, got `int`"),
    "a name that its scopes do not have": (('"billing"', '"bill"'), "scopes: expected 'bill:'"),
    "a name with capitals": (
        ('"billing"', '"Billing"'),
        "name: expected lower-case letters, digits and '-', got 'Billing'",
    ),
    "an audience without a scheme": (("https://billing", "billing"), "audience:"),
    "an audience with a fragment": (("example.com", "example.com#x"), "audience:"),
    "an audience with a user": (("https://", "https://user@"), "audience:"),
    "an audience with a blank": (("example.com", "example.com /x"), "audience:"),
    "an audience without a host": (("https://billing.example.com", "urn:x"), "audience:"),
    "no scope": (('"billing:read" = "See your invoices"', ""), "scopes: expected at least one"),
    "scopes that are a list": (
        ("[scopes]\n", "scopes = [1]\n#"),
        "scopes: Expected `object`, got `array`",
    ),
    "a scope of another": (
        ("billing:read", "orders:read"),
        "scopes: expected 'billing:' and letters",
    ),
    "a scope without a name": (
        ("billing:read", "billing:"),
        "scopes: expected 'billing:' and letters",
    ),
    "a scope with a blank": (
        ("billing:read", "billing:read all"),
        "scopes: expected 'billing:' and letters",
    ),
    "a scope with a star": (
        ("billing:read", "billing:*"),
        "scopes: expected 'billing:' and letters",
    ),
    "a scope that says nothing": (
        ("See your invoices", ""),
        "scopes: billing:read: expected a line of text",
    ),
}


@pytest.fixture
def write_without_audience(write, monkeypatch):
    """Return a function that writes a manifest without an audience, and sets BILLING_URL."""

    def write_without_audience(url):
        monkeypatch.setenv("BILLING_URL", url)
        write(MANIFEST.replace("audience", "# audience"))

    return write_without_audience


def test_the_audience_is_the_public_address_unless_there_is_another(folder, write_without_audience):
    write_without_audience("http://Localhost:8003/")
    assert read_manifests(folder)["billing"].audience == "http://localhost:8003"


@pytest.mark.parametrize("url", ["", "localhost:8003", "https://localhost/api"])
def test_a_manifest_without_an_audience_needs_an_address(folder, write_without_audience, url):
    write_without_audience(url)
    with pytest.raises(RegistryError, match=r"resource_server.toml has no audience.*BILLING_URL"):
        read_manifests(folder)


def test_an_audience_in_production_begins_with_https(folder, write_without_audience, settings):
    settings.PRODUCTION = True
    write_without_audience("http://billing.example.com")
    with pytest.raises(RegistryError, match="BILLING_URL must begin with https://"):
        read_manifests(folder)


@pytest.mark.parametrize(("change", "problem"), BAD.values(), ids=BAD)
def test_a_manifest_is_refused(folder, write, change, problem):
    write(MANIFEST.replace(*change, 1))
    with pytest.raises(RegistryError) as raised:
        read_manifests(folder)
    message = str(raised.value)
    assert problem in message
    assert "resource_server.toml" in message
    assert "\n" not in message


def test_two_with_the_same_audience_are_refused(folder, write):
    write(MANIFEST)
    write(MANIFEST.replace("billing:", "copy:").replace('"billing"', '"copy"'), "copy")
    with pytest.raises(RegistryError, match=r"copy/.*audience.*billing"):
        read_manifests(folder)


def test_two_with_the_same_name_are_refused(folder, write):
    write(MANIFEST)
    write(MANIFEST.replace("https://billing", "https://copy"), "copy")
    with pytest.raises(RegistryError, match="name: expected 'copy', the name of the folder"):
        read_manifests(folder)


def test_a_folder_that_is_not_there_is_refused(folder):
    with pytest.raises(RegistryError, match="not a folder"):
        read_manifests(folder)


def test_the_system_check_finds_a_bad_manifest(folder, write, settings):
    write("nonsense")
    settings.RESOURCE_SERVERS_DIR = folder
    assert [message.id for message in run_checks()] == ["client_registry.E003"]


def test_one_without_an_address_is_left_out_of_a_process_that_runs(
    folder, write_without_audience, caplog
):
    write_without_audience("")
    assert read_manifests(folder, complete=False) == {}
    assert "Left out until the next start: " in caplog.text
