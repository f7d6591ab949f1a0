"""``scripts/rotate.py``: what is written, and which step runs when. No service is started."""

import json
import stat
import sys

import pytest
from stack import make, read_env

SECRET = "ORDERS_INTROSPECTION_CLIENT_SECRET"
DATABASE, CACHE = "ORDERS_DATABASE_URL", "ORDERS_CACHE_URL"
# Stands for manage.py, docker and swarm.py: logs its arguments, its secrets and the secret files.
STEP = """\
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
if sys.argv[1:3] == ["compose", "ps"]:
    sys.exit(print(os.environ["RUNNING"]))
files = {{path.name: path.read_text() for path in (folder / ".secrets").iterdir()}}
given = {{name: value for name, value in os.environ.items() if "CLIENT_SECRET" in name}}
print(json.dumps([sys.argv[1:], given, files]), file=(folder / "log").open("a"))
sys.exit(int(os.environ.get("FAILS", "0")))
"""


@pytest.fixture
def project(platform, tmp_path, monkeypatch):
    """Return a project whose steps are logged only."""
    step = platform / "step.py"
    step.write_text(STEP.format(folder=str(platform)))
    for path in ("authorization_server/manage.py", "scripts/swarm.py"):
        (platform / path).write_text(step.read_text())
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\nexec {sys.executable} {step} "$@"\n')
    docker.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=":")
    monkeypatch.setenv("RUNNING", "")
    return platform


@pytest.fixture
def rotate(project, run_script):
    """Return a function that runs the script and returns the steps that it has run."""

    def rotate(*arguments, **variables):
        done = run_script(project, "rotate", *arguments, **variables)
        assert (done.returncode, done.stderr) == (0, "")
        return steps(project)

    return rotate


@pytest.fixture
def refused(project, run_script):
    """Return a function that runs the script, and returns its error; no step may have run."""

    def refused(*arguments, **variables):
        before = steps(project)
        done = run_script(project, "rotate", *arguments, **variables)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert steps(project) == before
        return done.stderr

    return refused


def steps(project):
    log = project / "log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def file(project, name):
    return (project / ".secrets" / name).read_text()


CONTAINERS = {"RUNNING": "authorization-server\norders"}
SWARM = {"STACK_IMAGE": "registry.test/platform:1"}
RUN_ONCE = ["compose", "run", "--rm", "--no-deps", "-T"]


# --- Secrets of clients ---------------------------------------------------------------------------


def test_the_authorization_server_learns_of_a_secret_before_it_is_used(project, rotate):
    old = read_env(project)[SECRET]
    [[command, given, files]] = rotate("orders")
    new = read_env(project)[SECRET]
    assert (command, given[SECRET], given[f"{SECRET}_FALLBACK"]) == (["ensure_clients"], old, new)
    assert (files[SECRET], file(project, SECRET)) == (old, new)


def test_both_secrets_are_declared_until_the_end(project, rotate):
    old = read_env(project)[SECRET]
    rotate("orders")
    assert (read_env(project)[f"{SECRET}_FALLBACK"], old != read_env(project)[SECRET]) == (
        old,
        True,
    )


def test_the_end_leaves_the_new_secret(project, rotate):
    rotate("orders")
    new = read_env(project)[SECRET]
    [_, [command, given, files]] = rotate("orders", "--end")
    assert (command, given[SECRET], f"{SECRET}_FALLBACK" in given) == (
        ["ensure_clients"],
        new,
        False,
    )
    assert (files[SECRET], f"{SECRET}_FALLBACK" in read_env(project)) == (new, False)


def test_other_lines_of_env_stay_as_they_are(project, rotate):
    before = (project / ".env").read_text()
    old = read_env(project)[SECRET]
    rotate("orders")
    rotate("orders", "--end")
    new = read_env(project)[SECRET]
    assert (project / ".env").read_text() == before.replace(old, new)


def test_a_secret_of_a_client_is_rotated_likewise(project, rotate):
    old = read_env(project)["DEMO_MACHINE_CLIENT_SECRET"]
    [[_, given, _]] = rotate("demo-machine")
    assert given["DEMO_MACHINE_CLIENT_SECRET"] == old
    assert read_env(project)["DEMO_MACHINE_CLIENT_SECRET_FALLBACK"] == old


def test_containers_register_both_secrets_before_one_sees_the_new_one(project, rotate):
    old = read_env(project)[SECRET]
    [[command, _, files]] = rotate("orders", **CONTAINERS)
    assert command == [*RUN_ONCE, "ensure-clients"]
    assert (files[SECRET], file(project, SECRET) in files["clients.env"]) == (old, True)


def test_a_container_that_runs_sees_the_new_secret(project, rotate):
    before = (project / ".secrets" / SECRET).stat().st_ino
    rotate("orders", **CONTAINERS)
    assert (project / ".secrets" / SECRET).stat().st_ino == before


def test_a_swarm_gets_both_secrets_in_one_deployment(project, rotate):
    old = read_env(project)[SECRET]
    [[command, _, files]] = rotate("orders", **SWARM)
    assert (command, files[SECRET] != old) == (["deploy"], True)
    assert old in files["clients.env"]
    assert files[SECRET] in files["clients.env"]


def test_after_a_failed_step_the_old_secret_is_used(project, rotate, run_script):
    old = read_env(project)[SECRET]
    done = run_script(project, "rotate", "orders", FAILS="3")
    advice = "run the command again; if a rotation is under way then, end it first"
    assert (done.returncode, advice in done.stderr) == (1, True)
    assert (file(project, SECRET), read_env(project)[SECRET]) == (old, old)
    rotate("orders", "--end")
    assert read_env(project)[SECRET] == old


def test_no_value_is_printed(project, run_script):
    values = set(read_env(project).values())
    outputs = [run_script(project, "rotate", *one) for one in (["orders"], ["orders", "--end"])]
    values = {one for one in values | set(read_env(project).values()) if len(one) > 40}
    assert [one for one in values for done in outputs if one in done.stdout + done.stderr] == []


# --- Passwords of PostgreSQL and Valkey -----------------------------------------------------------


def test_the_server_learns_of_a_password_before_it_is_used(project, rotate):
    old = file(project, DATABASE)
    found = rotate("database", **CONTAINERS)
    assert [command for command, _, _ in found] == [
        [*RUN_ONCE, "authorization-server-provision"],
        [*RUN_ONCE, "orders-provision"],
    ]
    seen = found[1][2][DATABASE].splitlines()
    assert (seen[0], file(project, DATABASE)) == (old, f"{seen[1]}\n{old}")


def test_the_roles_of_a_database_take_turns(project, rotate):
    users = []
    for _ in range(2):
        rotate("database", **CONTAINERS)
        rotate("database", "--end", **CONTAINERS)
        users.append(file(project, DATABASE).partition("//")[2].partition(":")[0])
    assert users == ["orders_b", "orders"]


def test_the_end_leaves_the_new_password(project, rotate):
    rotate("database", **CONTAINERS)
    new = file(project, DATABASE).splitlines()[0]
    [*_, [command, _, files]] = rotate("database", "--end", **CONTAINERS)
    assert (command, files[DATABASE]) == ([*RUN_ONCE, "orders-provision"], new)


def test_the_user_of_valkey_stays(project, rotate):
    rotate("valkey", **CONTAINERS)
    urls = file(project, CACHE).splitlines()
    assert [url.partition("//orders:")[2].partition("@")[2] for url in urls] == [
        "valkey:6379/0"
    ] * 2


def test_a_swarm_gets_both_passwords_in_one_deployment(project, rotate):
    old = file(project, DATABASE)
    [[command, _, files]] = rotate("database", **SWARM)
    assert (command, files[DATABASE].splitlines()[1]) == (["deploy"], old)


def test_init_env_keeps_both_passwords(project, rotate, run_script):
    rotate("database", **CONTAINERS)
    before = file(project, DATABASE)
    assert run_script(project, "init_env").returncode == 0
    assert file(project, DATABASE) == before


# --- The key that signs ID tokens -----------------------------------------------------------------


@pytest.mark.parametrize(("option", "command"), [([], "--next"), (["--end"], "--rotate")])
def test_a_key_is_published_first_and_signs_at_the_end(rotate, option, command):
    [[arguments, _, _]] = rotate("signing-key", *option)
    assert arguments == ["ensure_signing_key", command]


def test_the_key_of_containers_is_in_their_volume(rotate):
    [[arguments, _, _]] = rotate("signing-key", **CONTAINERS)
    step = [*RUN_ONCE, "authorization-server-migrate"]
    assert arguments == [*step, "python", "manage.py", "ensure_signing_key", "--next"]


def test_the_key_of_a_swarm_is_deployed(rotate):
    assert [arguments for arguments, _, _ in rotate("signing-key", **SWARM)] == [
        ["ensure_signing_key", "--next"],
        ["deploy"],
    ]


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["nonsense", "demo-browser", "authorization-server", "ORDERS.*", "-h"]
)
def test_a_name_without_a_secret_is_refused(refused, name):
    assert f"{name} is unknown, or has no secret" in refused("--", name)


@pytest.mark.parametrize("name", ["orders", "database", "valkey"])
def test_a_rotation_that_is_under_way_is_ended_first(rotate, refused, name):
    rotate(name, **CONTAINERS)
    assert f"make rotate name={name} end=yes" in refused(name, **CONTAINERS)


@pytest.mark.parametrize("name", ["orders", "database", "valkey"])
def test_a_rotation_that_was_not_begun_cannot_end(refused, name):
    assert "No rotation" in refused(name, "--end", **CONTAINERS)


@pytest.mark.parametrize("name", ["database", "valkey"])
def test_without_containers_there_is_no_password(refused, name):
    assert f"there is no {name}" in refused(name)


def test_the_password_of_a_server_elsewhere_is_not_changed(project, refused):
    with (project / ".env").open("a") as env:
        env.writelines(
            f"{name}_DATABASE_URL=postgres://me:secret@db.example.com:5432/x\n"
            for name in ("AUTHORIZATION_SERVER", "ORDERS")
        )
    assert "Each DATABASE_URL is in .env" in refused("database", **CONTAINERS)


def test_another_env_file_is_refused(project, refused, tmp_path):
    assert "ENV_FILE is set" in refused("orders", ENV_FILE=str(tmp_path / "other"))


def test_only_yes_ends_a_rotation(project):
    printed = make(project, "-n", "rotate", "name=orders", "end=no", capture_output=True, text=True)
    assert (printed.returncode, "end=yes ends a rotation" in printed.stderr) == (2, True)


def test_a_folder_that_cannot_be_written_is_reported_in_one_sentence(project, run_script):
    (project / ".secrets" / "clients.env").unlink()
    (project / ".secrets" / "clients.env").mkdir()
    done = run_script(project, "rotate", "orders")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "clients.env: Is a directory." in done.stderr
