"""The commands of docs/operations.md work on a running platform."""

import re
import shutil
import stat

import pytest
from compose import AUTHORIZATION_SERVER, FIRST, Stack, fetch
from conftest import give_free_port
from stack import read_env, use_free_ports
from test_add_resource_server import undo
from urllib3 import make_headers

pytestmark = pytest.mark.slow

# Sections whose commands only have to succeed.
PLAIN = ["When it does not start", "Read the logs", "Health", "Upgrade", "Run more of one service"]
PLAIN += ["Disk full"]
OWN_TEST = ["Start", "Stop", "Apply a change of `.env`", "Rotate a secret", "Back up", "Restore"]
OWN_TEST += ["Add or remove a resource server"]

KILLED = 137


def sections(page):
    """Return the shell blocks of each section of a page by its heading."""
    parts = re.split(r"^## (.*)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {
        heading: re.findall(r"^```sh\n(.*?)^```$", text, flags=re.M | re.S)
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }


@pytest.fixture(scope="module")
def platform(fresh_project, bake):
    """Return a separate platform, which the first section of the page has started."""
    name = f"{fresh_project.name}_operated"
    project = bake({"project_name": name, "project_slug": name, "resource_servers": FIRST})
    use_free_ports(project)
    stack = Stack(project)
    try:
        follow(stack, "Start")
        yield stack
    finally:
        stack.remove()
        stack.remove_images()


def follow(stack, heading, block=None, check=True):
    """Run the commands of a section, or those of one of its blocks."""
    blocks = sections(stack.project / "docs" / "operations.md")[heading]
    commands = "\n".join(blocks if block is None else [blocks[block]])
    return stack.run("bash", "-euo", "pipefail", "-c", commands, check=check)


def test_every_command_of_the_page_has_a_test(platform):
    page = sections(platform.project / "docs" / "operations.md")
    assert sorted(PLAIN + OWN_TEST) == sorted(heading for heading, blocks in page.items() if blocks)


def test_starting_again_replaces_no_container(platform):
    before = platform.start_times(FIRST)
    follow(platform, "Start")
    assert platform.start_times(FIRST) == before


@pytest.mark.parametrize("heading", PLAIN)
def test_the_commands_of_a_section_succeed(platform, heading):
    follow(platform, heading)


def test_data_is_kept_after_a_stop(platform):
    platform.add_item(FIRST, "made before the stop")
    follow(platform, "Stop")
    assert platform.has_item(FIRST, "made before the stop")


def test_no_service_has_to_be_killed(platform):
    with platform.restored():
        platform.compose("stop")
        codes = {each["Name"]: each["State"]["ExitCode"] for each in platform.containers()}
    assert [name for name, code in codes.items() if code == KILLED] == []


def test_a_change_of_env_reaches_the_containers(platform):
    with (platform.project / ".env").open("a", encoding="utf-8") as env:
        env.write("ORDERS_ISSUERS=authorization_server,auth0\nAUTH0_DOMAIN=acme.eu.auth0.com\n")
    follow(platform, "Apply a change of `.env`")
    listing = platform.compose("exec", "--no-TTY", FIRST, "cat", "/run/secrets/ORDERS_ISSUERS.env")
    assert "AUTH0_DOMAIN=acme.eu.auth0.com" in listing.stdout


ROTATED = {
    0: ["ORDERS_INTROSPECTION_CLIENT_SECRET"],
    1: ["ORDERS_DATABASE_URL", "ORDERS_CACHE_URL"],
    3: ["POSTGRES_PASSWORD", "VALKEY_PASSWORD"],
}


@pytest.mark.parametrize("block", ROTATED)
def test_a_rotated_secret_is_used_by_both_sides(platform, block):
    paths = [platform.project / ".secrets" / name for name in ROTATED[block]]
    platform.add_item(FIRST, f"made before rotation {block}")
    before = [path.read_text() for path in paths]
    follow(platform, "Rotate a secret", block)
    changed = [old != path.read_text() for old, path in zip(before, paths, strict=True)]
    assert (changed, platform.has_item(FIRST, f"made before rotation {block}")) == (
        [True] * len(paths),
        True,
    )


def test_the_public_key_of_before_a_rotation_stays_published(platform):
    url = platform.url(AUTHORIZATION_SERVER, "/o/.well-known/jwks.json")
    before = [key["kid"] for key in fetch("GET", url).json["keys"]]
    follow(platform, "Rotate a secret", 2)
    after = [key["kid"] for key in fetch("GET", url).json["keys"]]
    assert (len(after), set(before) < set(after)) == (len(before) + 1, True)


def test_the_previous_introspection_secret_is_refused(platform):
    old = read_env(platform.project)["ORDERS_INTROSPECTION_CLIENT_SECRET"]
    follow(platform, "Rotate a secret", 0)
    url = platform.url(AUTHORIZATION_SERVER, "/o/introspect/")
    headers = make_headers(basic_auth=f"orders-introspection:{old}")
    answer = fetch("POST", url, headers, fields={"token": "any"}, encode_multipart=False)
    assert answer.status == 401


# --- Backup and restore ---------------------------------------------------------------------------


@pytest.fixture
def backup(platform):
    """Follow "Back up"; return the new folder, which is deleted after the test."""
    follow(platform, "Back up")
    [folder] = (platform.project / "backups").iterdir()
    yield folder
    shutil.rmtree(platform.project / "backups")


def test_a_backup_holds_every_database(backup):
    assert {path.stem for path in backup.iterdir()} >= {AUTHORIZATION_SERVER, FIRST}


def test_only_the_owner_can_read_a_backup(backup):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [backup, *backup.iterdir()]}
    assert modes == {0o700, 0o600}


def test_a_backup_without_the_database_fails_and_leaves_no_folder(platform):
    platform.compose("stop", "postgres")
    try:
        process = follow(platform, "Back up", check=False)
    finally:
        platform.up("--no-deps", "postgres")
    finished = [*(platform.project / "backups").glob("*Z")]
    shutil.rmtree(platform.project / "backups")
    assert (process.returncode != 0, finished) == (True, [])


def test_a_restore_recovers_items_and_tokens_after_all_data_was_deleted(platform):
    platform.add_item(FIRST, "made before the backup")
    headers = platform.token(f"{FIRST}:read")
    follow(platform, "Back up")
    platform.compose("down", "--volumes")
    platform.up()
    assert not platform.has_item(FIRST, "made before the backup")
    follow(platform, "Restore")
    shutil.rmtree(platform.project / "backups")
    assert platform.has_item(FIRST, "made before the backup")
    assert platform.whoami(FIRST, headers).status == 200


def test_the_smoke_flow_passes_after_a_restore(platform, backup):
    follow(platform, "Restore")
    process = platform.make("smoke", check=False)
    assert process.returncode == 0, process.stdout


def test_a_damaged_dump_changes_nothing(platform, backup):
    dump = backup / f"{FIRST}.dump"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
    platform.add_item(FIRST, "made after the backup")
    process = follow(platform, "Restore", 0, check=False)
    assert (process.returncode != 0, platform.has_item(FIRST, "made after the backup")) == (
        True,
        True,
    )


# --- One more resource server ---------------------------------------------------------------------


def test_a_resource_server_is_added_and_removed(platform):
    follow(platform, "Add or remove a resource server", 0)
    give_free_port(platform.project, "billing")
    follow(platform, "Add or remove a resource server", 1)
    for name in "billing", FIRST:
        assert platform.whoami(name, platform.token(f"{name}:read")).status == 200

    undo(platform.project, "billing")
    platform.run("python3", "scripts/init_env.py")
    [commands] = sections(platform.project / "docs" / "resource_servers.md")["Remove one"]
    platform.run("bash", "-euo", "pipefail", "-c", commands)
    assert "billing" not in platform.compose("ps", "--all", "--services").stdout
