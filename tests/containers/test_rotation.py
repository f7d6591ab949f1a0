"""Every kind of rotation under load, in containers that are not restarted."""

import sys
from collections import namedtuple

import pytest
from compose import AUTHORIZATION_SERVER, FIRST
from journeys import Journeys

pytestmark = pytest.mark.slow

KINDS = [FIRST, "database", "valkey", "signing-key"]
Rotation = namedtuple("Rotation", "refused restarted old new")
CONNECT = {
    "ORDERS_DATABASE_URL": "import psycopg; psycopg.connect({!r}).execute('SELECT 1')",
    "ORDERS_CACHE_URL": "import redis; redis.Redis.from_url({!r}).ping()",
}


@pytest.fixture(scope="module")
def rotation(extended_stack):
    """Rotate everything; return what was refused or restarted, and the files before and after."""
    stack = extended_stack
    services = [AUTHORIZATION_SERVER, FIRST]
    before, old = [stack.start_times(one) for one in services], contents(stack)
    with Journeys(stack.project) as journeys:
        for end in [], ["--end"]:
            for kind in KINDS:
                stack.run(sys.executable, "scripts/rotate.py", kind, *end)
            journeys.wait_for_more()
    restarted = [stack.start_times(one) for one in services] != before
    return Rotation(journeys.refused, restarted, old, contents(stack))


def contents(stack):
    folder = stack.project / ".secrets"
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_no_request_is_refused_and_no_container_restarted(rotation):
    assert (rotation.refused, rotation.restarted) == ({}, False)


@pytest.mark.parametrize("name", CONNECT)
def test_the_new_password_is_accepted_and_the_old_one_refused(extended_stack, rotation, name):
    codes = [
        extended_stack.python(FIRST, CONNECT[name].format(url), check=False).returncode
        for url in (rotation.new[name], rotation.old[name])
    ]
    assert codes == [0, 1]


def test_what_a_new_role_makes_belongs_to_the_owner(extended_stack, rotation):
    url = rotation.new["ORDERS_DATABASE_URL"]
    query = "SELECT session_user, current_user"
    code = f"import psycopg; print(psycopg.connect({url!r}).execute({query!r}).fetchone())"
    assert extended_stack.python(FIRST, code).stdout.strip() == "('orders_b', 'orders')"
