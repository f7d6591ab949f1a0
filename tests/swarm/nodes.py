"""The swarm of the suite, which variables of the environment describe, and the reason to skip.

Compose builds on the engine of DOCKER_HOST; the swarm may have others.
"""

import json
import os
import re
import shlex
import subprocess
import time
from collections import Counter

VARIABLES = {
    "SWARM_MANAGER": "the DOCKER_HOST of a manager",
    "SWARM_REGISTRY": "the registry that every node reaches, as in the name of an image",
    "SWARM_PUSH": "a command that copies a local image there, such as `docker push`",
    "SWARM_CUT": "a command that takes a node off the network, by its host name",
    "SWARM_MEND": "a command that puts it back",
    "SWARM_KILL": "a command that kills its processes",
    "SWARM_START": "a command that starts it again",
}
NODES = 3
SECONDS = 600


def run(*command, check=True, **options):
    """Run a command; return its output, also of a failure unless `check`."""
    options = {"stdin": subprocess.DEVNULL, "timeout": SECONDS} | options
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", **options
    )
    assert not check or done.returncode == 0, f"{command}:\n{done.stdout}"
    return done.stdout


def docker(*arguments, **options):
    """Run the Docker client at the manager, and return its output."""
    return run("docker", *arguments, env=manager(), **options).strip()


def manager():
    """Return the environment in which Docker commands reach the swarm."""
    return os.environ | {"DOCKER_HOST": os.environ["SWARM_MANAGER"]}


def reason_to_skip():
    """Return one sentence that says why there is no swarm, or None."""
    if missing := [name for name in VARIABLES if not os.environ.get(name)]:
        return f"No swarm was used: {', '.join(missing)} not set (tests/swarm/nodes.py)."
    try:
        ready = states()
    except (AssertionError, OSError, subprocess.TimeoutExpired):
        return "No swarm was used: no manager answers at SWARM_MANAGER."
    if list(ready.values()) != ["Ready"] * NODES:
        return f"No swarm was used: {NODES} nodes that are ready are needed, not {ready}."
    return None


def states():
    """Return the state of each node by its name, for example ``Ready``."""
    lines = docker("node", "ls", "--format", "{{.Hostname}} {{.Status}}").splitlines()
    return dict(line.split() for line in lines)


def addresses():
    """Return the address of each node by its name."""
    nodes = json.loads(docker("node", "inspect", *docker("node", "ls", "--quiet").split()))
    return {node["Description"]["Hostname"]: node["Status"]["Addr"] for node in nodes}


def disturb(action, node):
    """Run the command of a variable, such as SWARM_CUT, for a node."""
    run(*shlex.split(os.environ[f"SWARM_{action.upper()}"]), node)


def wait_until_ready():
    """Return when each node is ready."""
    deadline = time.monotonic() + SECONDS
    while not leader() or set(states().values()) != {"Ready"}:
        assert time.monotonic() < deadline
        time.sleep(1)


def worker_names():
    """Return the names of the nodes that are no managers."""
    return docker("node", "ls", "--filter", "role=worker", "--format", "{{.Hostname}}").split()


def managers():
    """Return lines with the state of each manager, such as ``Reachable``, and its name."""
    return docker("node", "ls", "--format", "{{.ManagerStatus}} {{.Hostname}}", check=False)


def leader():
    """Return the name of the manager that leads, empty during an election."""
    return "".join(re.findall("^Leader (.*)", managers(), re.MULTILINE))


def tasks(stack):
    """Return the number of tasks of a stack that should run on each node."""
    command = "stack", "ps", stack, "--filter", "desired-state=running", "--format", "{{.Node}}"
    return Counter(docker(*command).split())
