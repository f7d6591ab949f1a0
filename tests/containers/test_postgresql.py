"""Services' own tests with the database of production; `make test` of a project has SQLite.

The authorization server sends another statement to PostgreSQL, and sends it in another way.
"""

import os
import secrets
import subprocess

import pytest
from compose import FIRST, surroundings, wait_until
from engine import docker
from stack import free_port, make

pytestmark = pytest.mark.slow

# What reads or removes tokens by statements that depend on the database.
FILES = ["introspection", "introspection_cost", "revocation", "clear_tokens"]


@pytest.fixture(scope="module")
def database_url(engine):
    """Run PostgreSQL by itself, on a port of this machine; return its address."""
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
    """Return a function that runs tests of a service, and returns the process."""
    project = bake({"resource_servers": FIRST})
    make(project, "install", check=True)

    def run_tests(folder, prefix, *files):
        return subprocess.run(
            [project / ".venv" / "bin" / "python", "-m", "pytest", "--quiet", *files],
            cwd=project / folder,
            env=surroundings() | {f"{prefix}_DATABASE_URL": database_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    return run_tests


def test_what_the_authorization_server_says_about_tokens_is_the_same(run_tests):
    files = [f"tests/test_{name}.py" for name in FILES]
    process = run_tests("authorization_server", "AUTHORIZATION_SERVER", *files)
    assert process.returncode == 0, process.stdout


def test_a_resource_server_is_the_same(run_tests):
    process = run_tests(f"resource_servers/{FIRST}", FIRST.upper())
    assert process.returncode == 0, process.stdout
