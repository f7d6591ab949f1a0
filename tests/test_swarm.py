"""``scripts/swarm.py``: the stack file, and the commands that deploy it. No engine is needed."""

import json
import os
import stat
import subprocess
import sys

import pytest
import yaml

# What a generated project gets for production.
PRODUCTION = {
    "COMPOSE_FILE": "compose.yml:compose.production.yml",
    "COMPOSE_PATH_SEPARATOR": ":",
    "ENVIRONMENT": "production",
    "STACK_IMAGE": "registry.test/platform:1",
    "TLS_CERTIFICATE": "cert.pem",
    "TLS_PRIVATE_KEY": "key.pem",
}
# It answers `docker compose config` from a file, says that tasks of a step ended as STEP
# says, and logs other commands.
FAKE_DOCKER = """\
#!/bin/sh
case "$1 $2" in
    "compose config") cat "$FAKE/config.json" ;;
    "service ps") for state in $STEP; do echo "$state 1 second ago"; done ;;
    "service logs") echo "the last words" ;;
    "stack deploy") echo "$@" >> "$FAKE/log"; cat >> "$FAKE/stacks"; echo >> "$FAKE/stacks" ;;
    *) echo "$@" >> "$FAKE/log"; cat > /dev/null ;;
esac
"""


def has_compose():
    """Return whether Compose is installed; it needs no engine to print a configuration."""
    try:
        return subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not has_compose(), reason="docker compose is not installed")


@pytest.fixture(scope="module")
def project(bake):
    """Return a project for production with files instead of a key and a certificate."""
    folder = bake()
    for name in ("cert.pem", "key.pem", ".secrets/OIDC_RSA_PRIVATE_KEY"):
        (folder / name).write_text("made up")
    return folder


@pytest.fixture(scope="module")
def stack(project):
    """Return the stack file."""
    assert run(project).returncode == 0
    return yaml.safe_load((project / "deploy/stack.yml").read_text())


@pytest.fixture
def fake(project, tmp_path, monkeypatch):
    """Return the folder of a Docker that does nothing, and logs the commands."""
    config = ["docker", "compose", "config", "--format", "json"]
    done = subprocess.run(config, cwd=project, env=os.environ | PRODUCTION, capture_output=True)
    (tmp_path / "config.json").write_bytes(done.stdout)
    (tmp_path / "docker").write_text(FAKE_DOCKER)
    (tmp_path / "docker").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(tmp_path))
    return tmp_path


def run(project, *arguments, **variables):
    """Run the script in `project`; return the finished process."""
    command = [sys.executable, "scripts/swarm.py", *arguments]
    env = os.environ | PRODUCTION | variables
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)


def test_the_stack_has_every_service_that_keeps_running(stack):
    assert stack["services"].keys() == {
        *("postgres", "valkey", "authorization-server", "clear-tokens", "proxy"),
        *("orders", "inventory"),
    }


def test_the_stack_file_holds_no_secret(stack, project):
    text = (project / "deploy/stack.yml").read_text()
    values = [path.read_text().strip() for path in (project / ".secrets").iterdir()]
    assert [value for value in values if value and value in text] == []


def test_a_stack_accepts_every_key(stack):
    refused = {"build", "depends_on", "mem_limit", "restart", "security_opt", "shm_size", "tmpfs"}
    assert [name for name, one in stack["services"].items() if refused & one.keys()] == []


def test_nothing_is_mounted_from_one_machine(stack):
    mounts = [mount for one in stack["services"].values() for mount in one["volumes"]]
    assert {mount["type"] for mount in mounts} == {"tmpfs", "volume"}
    assert "signing-key" not in {mount.get("source") for mount in mounts}


def test_a_read_only_service_has_a_writable_tmp(stack):
    for one in stack["services"].values():
        assert one["read_only"]
        assert "/tmp" in [mount["target"] for mount in one["volumes"]]


def test_a_new_task_starts_before_an_old_one_stops(stack):
    updates = {
        name: one["deploy"].get("update_config", {}).get("order")
        for name, one in stack["services"].items()
    }
    start_first = [name for name, order in updates.items() if order == "start-first"]
    assert sorted(start_first) == ["authorization-server", "clear-tokens", "inventory", "orders"]


def test_every_task_signs_with_the_same_key(stack):
    targets = [one["target"] for one in stack["services"]["authorization-server"]["secrets"]]
    assert "/run/secrets/OIDC_RSA_PRIVATE_KEY" in targets


def test_a_changed_secret_has_another_name(stack, project):
    path = project / ".secrets/VALKEY_PASSWORD"
    before = path.read_text()
    path.write_text("another")
    run(project)
    path.write_text(before)
    after = yaml.safe_load((project / "deploy/stack.yml").read_text())["secrets"]
    changed = [name for name in after if after[name] != stack["secrets"][name]]
    assert changed == ["VALKEY_PASSWORD"]


def test_a_compose_file_of_the_owner_changes_the_deployment(project, tmp_path):
    mine = tmp_path / "mine.yml"
    mine.write_text(json.dumps({"services": {"orders": {"deploy": {"replicas": 5}}}}))
    assert run(project, COMPOSE_FILE=f"{PRODUCTION['COMPOSE_FILE']}:{mine}").returncode == 0
    services = yaml.safe_load((project / "deploy/stack.yml").read_text())["services"]
    assert services["orders"]["deploy"]["replicas"] == 5
    assert services["orders"]["deploy"]["update_config"]["order"] == "start-first"


def test_the_steps_end_in_order_before_the_services_roll_out(project, fake):
    done = run(project, "deploy", STEP="Complete")
    assert done.returncode == 0, done.stderr
    order = [line.split(":")[0] for line in done.stdout.splitlines()]
    for server in ("orders", "inventory", "authorization-server"):
        assert order.index(f"{server}-provision") < order.index(f"{server}-migrate")
    assert order.index("authorization-server-migrate") < order.index("ensure-clients")
    assert order[:2] == ["deploy/stack.yml", "data"]
    assert order[-1] == "services"


def test_services_roll_out_one_after_the_other_and_the_authorization_server_first(project, fake):
    run(project, "deploy", STEP="Complete")
    lines = (fake / "stacks").read_text().splitlines()
    stacks = [json.loads(line) for line in lines if line]
    rolled_out = [list(one["services"]) for one in stacks if not is_step(one)]
    servers = ["authorization-server"], ["clear-tokens"], ["inventory"], ["orders"], ["proxy"]
    assert rolled_out == [["postgres", "valkey"], *servers]


def is_step(stack):
    return any(one["deploy"].get("mode") == "replicated-job" for one in stack["services"].values())


def test_a_step_of_which_one_task_completes_has_not_failed(project, fake):
    assert run(project, "deploy", STEP="Failed Complete").returncode == 0


def test_a_step_that_fails_ends_the_deployment_with_its_log(project, fake):
    done = run(project, "deploy", STEP="Failed")
    assert done.returncode == 1
    assert "provision failed; the running services are unchanged." in done.stderr
    assert "the last words" in done.stderr
    assert "--prune" not in (fake / "log").read_text()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"STACK_IMAGE": ""}, "Set STACK_IMAGE in .env"),
        ({"TLS_CERTIFICATE": "missing.pem"}, "missing.pem: No such file or directory."),
    ],
)
def test_what_is_missing_is_said_in_one_line(project, variables, message):
    done = run(project, **variables)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_signing_key_is_said_with_the_command_that_makes_it(project):
    path = project / ".secrets/OIDC_RSA_PRIVATE_KEY"
    path.rename(path.with_suffix(".away"))
    done = run(project)
    path.with_suffix(".away").rename(path)
    assert "run `openssl genrsa" in done.stderr
    assert done.returncode == 1
