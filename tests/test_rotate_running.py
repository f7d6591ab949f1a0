"""``make rotate`` while ``make run`` serves: no request is refused, and the old value ends."""

import pytest
import requests
from journeys import Journeys
from stack import make, read_env, running, use_free_ports

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(bake):
    """Return a project whose services run."""
    project = bake({"resource_servers": "orders"})
    use_free_ports(project)
    make(project, "install", check=True)
    with running(project):
        yield project


def keys(project):
    url = f"{read_env(project)['AUTHORIZATION_SERVER_URL']}/o/.well-known/jwks.json"
    return [key["kid"] for key in requests.get(url, timeout=30).json()["keys"]]


def introspection_status(project, secret):
    url = f"{read_env(project)['AUTHORIZATION_SERVER_URL']}/o/introspect/"
    credentials = ("orders-introspection", secret)
    return requests.post(url, {"token": "any"}, auth=credentials, timeout=30).status_code


@pytest.mark.parametrize("name", ["orders", "demo-machine", "signing-key"])
def test_no_request_is_refused_in_a_rotation(project, name):
    with Journeys(project) as journeys:
        make(project, "rotate", f"name={name}", check=True)
        journeys.wait_for_more()
        make(project, "rotate", f"name={name}", "end=yes", check=True)
    assert journeys.refused == {}


def test_an_introspection_secret_ends_with_its_rotation(project):
    variable = "ORDERS_INTROSPECTION_CLIENT_SECRET"
    old = read_env(project)[variable]
    make(project, "rotate", "name=orders", check=True)
    new = read_env(project)[variable]
    during = [introspection_status(project, secret) for secret in (old, new)]
    make(project, "rotate", "name=orders", "end=yes", check=True)
    after = [introspection_status(project, secret) for secret in (old, new)]
    assert (during, after) == ([200, 200], [401, 200])


def test_a_running_service_publishes_the_next_key_and_keeps_the_one_before(project):
    before = keys(project)
    make(project, "rotate", "name=signing-key", check=True)
    during = keys(project)
    make(project, "rotate", "name=signing-key", "end=yes", check=True)
    after = keys(project)
    assert (len(during), set(after), after[0]) == (len(before) + 1, set(during), during[1])
