"""One generated project on the swarm for the whole suite, and the counts of each test.

`nodes.VARIABLES` says how a swarm is given, whose ports 80 and 443 are free. SWARM_RATE
is the number of requests a second.
"""

import os
import secrets
from contextlib import contextmanager

import nodes
import pytest
from deployment import DOMAIN, Deployment
from traffic import Balancer, Traffic

RATE = int(os.environ.get("SWARM_RATE", "200"))
ROWS = pytest.StashKey[list]()


def pytest_terminal_summary(terminalreporter, config):
    """Print the rows of the table of docs/swarm.md."""
    for row in config.stash.get(ROWS, []):
        terminalreporter.write_line(row)


@pytest.fixture(scope="session")
def swarm():
    """Skip the test without a swarm."""
    if reason := nodes.reason_to_skip():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def deployment(swarm, bake):
    """Return a deployed project."""
    slug = f"gatehouse_swarm_{secrets.token_hex(3)}"
    deployed = Deployment(bake({"project_slug": slug, "domain": DOMAIN}))
    deployed.prepare()
    deployed.build()
    try:
        deployed.deploy()
        yield deployed
    finally:
        deployed.remove()


@pytest.fixture
def counted(deployment, request):
    """Return a context manager: requests are sent in its block, and its row has the counts."""

    @contextmanager
    def counted(name, balancer=Balancer):
        with balancer(deployment, nodes.addresses(), RATE) as started:
            with Traffic(started, deployment, RATE) as traffic:
                yield traffic
        request.config.stash.setdefault(ROWS, []).append(traffic.row(name))

    return counted
