"""Tests of the services pass on PostgreSQL; `make test` of a project uses SQLite.

The authorization server has a separate statement for PostgreSQL, which it prepares.
"""

import os
import secrets
import shutil
import subprocess

import pytest
from compose import FIRST, environment_without_make, wait_until
from engine import docker
from stack import ROOT, free_port, make

pytestmark = pytest.mark.slow

# Tests of code whose statements depend on the database.
FILES = ["introspection", "costs", "revocation", "clear_tokens"]


@pytest.fixture(scope="module")
def database_url(engine):
    """Run a PostgreSQL container with a port on the loopback interface; yield its URL."""
    name, password, port = f"gatehouse-{secrets.token_hex(3)}", secrets.token_hex(16), free_port()
    docker(
        *("run", "--detach", "--rm", "--name", name, "--publish", f"127.0.0.1:{port}:5432"),
        *("--env", "POSTGRES_PASSWORD", "postgres:17"),
        env=os.environ | {"POSTGRES_PASSWORD": password},
    )
    try:
        ready = ["exec", name, "pg_isready", "--quiet", "--host=127.0.0.1"]
        wait_until(lambda: docker(*ready, check=False).returncode == 0)
        yield f"postgres://postgres:{password}@127.0.0.1:{port}/postgres"
    finally:
        docker("rm", "--force", "--volumes", name)


@pytest.fixture(scope="module")
def run_tests(database_url, bake):
    """Return a function that runs tests of a service and returns the process."""
    project = bake({"resource_servers": FIRST})
    make(project, "install", check=True)
    overlay = ROOT / "tests" / "overlay" / "authorization_server"
    shutil.copytree(overlay, project / "authorization_server", dirs_exist_ok=True)

    def run_tests(folder, prefix, *files):
        return subprocess.run(
            [project / ".venv" / "bin" / "python", "-m", "pytest", "--quiet", *files],
            cwd=project / folder,
            env=environment_without_make() | {f"{prefix}_DATABASE_URL": database_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    return run_tests


def test_the_authorization_server_passes_on_postgresql(run_tests):
    files = [f"tests/test_{name}.py" for name in FILES]
    process = run_tests("authorization_server", "AUTHORIZATION_SERVER", *files)
    assert process.returncode == 0, process.stdout


def test_a_resource_server_passes_on_postgresql(run_tests):
    process = run_tests(f"resource_servers/{FIRST}", FIRST.upper())
    assert process.returncode == 0, process.stdout
