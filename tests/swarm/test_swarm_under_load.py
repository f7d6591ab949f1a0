"""Roll-outs and faults of a swarm of three nodes under load, counted: the table of docs/swarm.md.

Each test is one row. No answer may be outside of the contract, also where 503 is right.
"""

import shutil
import time

import pytest
from deployment import AUTHORIZATION_SERVER
from haproxy import HAProxy
from nodes import disturb, docker, leader, managers, wait_until_ready, worker_names

pytestmark = pytest.mark.slow

# By then a node that has fallen silent is out of the balancer, and its tasks have no names.
NOTICED_SECONDS = 8
CUT_SECONDS = 30
OUTAGE_SECONDS = 60


@pytest.mark.parametrize("service", [AUTHORIZATION_SERVER, "orders", "inventory", "proxy"])
def test_a_roll_out_has_no_gap(deployment, counted, service):
    with counted(f"roll-out of `{service}`") as traffic:
        deployment.update(service)
    assert traffic.failed == []


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@pytest.mark.parametrize("service", ["orders", "proxy"])
def test_a_roll_out_behind_haproxy_has_no_gap(deployment, counted, service):
    with counted(f"roll-out of `{service}` behind HAProxy", HAProxy) as traffic:
        deployment.update(service)
    assert traffic.failed == []


def test_more_and_fewer_tasks_make_no_gap(deployment, counted):
    with counted("4 tasks of `orders` and 3 of the authorization server, then 2 again") as traffic:
        for orders, servers in ((4, 3), (2, 2)):
            deployment.scale(**{"orders": orders, AUTHORIZATION_SERVER: servers})
    assert traffic.failed == []


def test_another_resource_server_makes_no_gap(deployment, counted):
    with counted("a resource server added: `make`, build, push, deploy") as traffic:
        deployment.run("make", "resource-server", "name=billing")
        deployment.build()
        deployment.deploy()
    assert traffic.failed == []
    with counted("the load of three resource servers") as traffic:
        pass
    assert traffic.failed == []


@pytest.mark.parametrize("name", ["orders", "database", "valkey", "signing-key"])
def test_a_rotation_makes_no_gap(deployment, counted, name):
    with counted(f"`make rotate name={name}`, then `end=yes`") as traffic:
        deployment.rotate(name)
        deployment.rotate(name, "end=yes")
    assert traffic.failed == []


@pytest.mark.parametrize("service", ["valkey", "postgres"])
def test_a_restart_of_a_database_is_answered_as_the_contract_says(deployment, counted, service):
    with counted(f"`{service}` restarted") as traffic:
        deployment.update(service)
    assert (traffic.lost, traffic.strange) == ([], [])


def test_an_outage_of_the_authorization_server_is_answered_as_the_contract_says(
    deployment, counted
):
    with counted(f"no authorization server for {OUTAGE_SECONDS} s") as traffic:
        deployment.scale(**{AUTHORIZATION_SERVER: 0})
        time.sleep(OUTAGE_SECONDS)
        deployment.scale(**{AUTHORIZATION_SERVER: 2})
    assert (traffic.lost, traffic.strange) == ([], [])
    with counted("afterwards") as traffic:
        pass
    assert traffic.failed == []


@pytest.fixture
def node(deployment):
    """Return the name of a node without databases; spread the tasks before and after the test."""
    deployment.spread()
    yield deployment.busiest_node()
    wait_until_ready()
    deployment.spread()


def test_a_drained_node_makes_no_gap(deployment, counted, node):
    with counted("a node drained, then active again") as traffic:
        for availability in ("drain", "active"):
            deployment.set_availability(node, availability)
    assert traffic.failed == []


def test_a_silent_node_is_noticed(counted, node):
    with counted(f"a node off the network for {CUT_SECONDS} s") as traffic:
        disturb("cut", node)
        noticed = time.monotonic() + NOTICED_SECONDS
        time.sleep(CUT_SECONDS)
        mended = time.monotonic()
        disturb("mend", node)
        wait_until_ready()
    late = [one for one in traffic.failed if one.sent > noticed]
    assert [one for one in late if one.sent < mended] == []
    # Its old tasks have names until they stop. A GET is repeated at another task, a POST is not.
    assert [one for one in late if (one.status, one.kind) != (503, "write")] == []
    assert traffic.strange == []


def test_a_killed_node_loses_only_what_was_under_way_on_it(counted, node):
    with counted("a node killed") as traffic:
        disturb("kill", node)
        dead = time.monotonic()
        time.sleep(CUT_SECONDS)
        disturb("start", node)
        wait_until_ready()
    assert [one for one in traffic.lost if one.node != node or one.sent > dead] == []
    assert traffic.strange == []


@pytest.fixture
def leading_manager(deployment, node):
    """Return which node leads three managers, a node without databases; one is left afterwards."""
    first, others = docker("info", "--format", "{{.Name}}"), worker_names()
    docker("node", "promote", *others)
    while managers().count("Reachable") < len(others):
        time.sleep(1)
    # The others elect one of them, while the first one is away.
    disturb("cut", first)
    time.sleep(CUT_SECONDS)
    disturb("mend", first)
    wait_until_ready()
    deployment.spread()
    assert leader() in others
    yield leader()
    wait_until_ready()
    docker("node", "demote", *others)


def test_a_manager_that_is_killed_makes_no_gap_in_a_roll_out(deployment, counted, leading_manager):
    with counted("the leader of three managers killed, then a roll-out of `orders`") as traffic:
        disturb("kill", leading_manager)
        dead = time.monotonic()
        while leader() in ("", leading_manager):
            time.sleep(1)
        deployment.update("orders")
        disturb("start", leading_manager)
        wait_until_ready()
    assert [one for one in traffic.lost if one.node != leading_manager or one.sent > dead] == []
    assert traffic.strange == []
