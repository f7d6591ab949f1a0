"""One generated project and its containers for the whole suite, removed at the end.

Every service runs before and after each test. A test that stops or breaks a service uses
``Stack.restored``.
"""

import re
import secrets
import sys

import pytest
from compose import ADDED, FIRST, Stack
from engine import reason_to_skip
from stack import ROOT, free_port, read_env, use_free_ports

# `deaths` and `browser` are the same for containers.
sys.path.append(str(ROOT / "tests" / "overlay" / "tests"))


@pytest.fixture(scope="session")
def engine():
    """Skip the test if no container can be run."""
    if reason := reason_to_skip():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def fresh_project(engine, bake):
    """Generate a project with one resource server and a unique name."""
    project = bake(
        {
            "project_name": f"Gatehouse containers {secrets.token_hex(3)}",
            "resource_servers": FIRST,
        }
    )
    use_free_ports(project)
    return project


@pytest.fixture(scope="session")
def first_up(fresh_project):
    """Start a fresh project for the first time.

    Returns:
        The stack, the process of ``docker compose up``, and its containers.
    """
    stack = Stack(fresh_project)
    try:
        process = stack.compose("up", "--wait", check=False)
        yield stack, process, stack.containers()
    finally:
        stack.remove()
        stack.remove_images()


@pytest.fixture(scope="session")
def added(first_up):
    """Add a resource server to the running stack.

    Returns:
        The stack and the process of ``up``.
    """
    stack, first, _ = first_up
    assert first.returncode == 0, f"{first.stdout}\n{stack.logs()}"
    stack.make("resource-server", f"name={ADDED}")
    give_free_port(stack.project, ADDED)
    process = stack.compose("up", "--wait", check=False)
    return stack, process


def give_free_port(project, name):
    """Give the resource server `name` a free port."""
    path = project / ".env"
    text, prefix = path.read_text(encoding="utf-8"), name.upper().replace("-", "_")
    old = read_env(project)[f"{prefix}_PORT"]
    text = re.sub(rf"^({prefix}_(PORT|URL)=.*?){old}$", rf"\g<1>{free_port()}", text, flags=re.M)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def extended_stack(added):
    """Return the stack with two resource servers."""
    stack, process = added
    assert process.returncode == 0, f"{process.stdout}\n{stack.logs()}"
    return stack


@pytest.fixture
def stack(extended_stack):
    """Return the stack with all services running."""
    return extended_stack
