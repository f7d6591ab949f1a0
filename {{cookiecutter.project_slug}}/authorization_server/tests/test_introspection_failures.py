"""Whoever fails to authenticate again and again is not looked at, and nobody else notices."""

import pytest

from introspection import callers, credentials, failures
from tests.flows import FORM, MACHINE, basic, machine_token

ORDERS, INVENTORY = "orders-introspection", "inventory-introspection"
pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose one entry is the time, in seconds."""
    now = [1000.0]
    for module in (callers, failures):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def looked_at(monkeypatch):
    """Return the secrets that are compared with a stored one from now on."""
    secrets, verify_secret = [], credentials.verify_secret

    def verify(secret, stored):
        secrets.append(secret)
        return verify_secret(secret, stored)

    monkeypatch.setattr(credentials, "verify_secret", verify)
    return secrets


@pytest.fixture
def token(clock):
    return machine_token(scope="orders:read inventory:read")


def ask(token, client_id=ORDERS, secret=None, address="192.0.2.1"):
    """Return the response to a caller at `address`, with its own secret if there is no other."""
    return MACHINE.post(
        "/o/introspect/",
        f"token={token}",
        content_type=FORM,
        headers=basic(client_id, secret),
        REMOTE_ADDR=address,
    )


def fail(token, times=failures.AT_ONCE, **options):
    """Have wrong secrets refused."""
    for number in range(times):
        assert ask(token, secret=f"wrong-{number}", **options).status_code == 401


def is_answered(response):
    return response.status_code == 200 and response.json()["active"]


def test_after_20_wrong_secrets_no_other_is_looked_at(token, looked_at):
    fail(token, times=50)
    assert set(looked_at) == {f"wrong-{number}" for number in range(20)}


def test_not_even_the_right_one(token):
    fail(token)
    assert ask(token).status_code == 401


def test_the_answer_does_not_say_whether_it_was_looked_at(token):
    first = ask(token, secret="wrong")
    fail(token)
    last = ask(token, secret="wrong")
    assert (first.content, first["WWW-Authenticate"]) == (last.content, last["WWW-Authenticate"])


def test_one_more_is_looked_at_each_second(token, looked_at, clock):
    fail(token)
    looked_at.clear()
    clock[0] += 1
    fail(token)
    assert set(looked_at) == {"wrong-0"}


def test_wrong_secrets_from_elsewhere_keep_nobody_out(token):
    fail(token, address="192.0.2.66")
    assert is_answered(ask(token))


def test_wrong_secrets_of_another_client_do_not_either(token):
    fail(token, client_id=INVENTORY)
    assert is_answered(ask(token))


def test_whoever_was_right_before_is_looked_at(token, clock):
    assert is_answered(ask(token))
    for _ in range(3):
        clock[0] += callers.LIFETIME + 1
        fail(token, times=50)
        clock[0] += callers.PAUSE + 1
        fail(token, times=50)
        assert is_answered(ask(token))


def test_who_that_was_is_remembered_up_to_a_number(token, clock, monkeypatch):
    monkeypatch.setattr(callers, "MAX_VERIFIED", 1)
    for client_id in (ORDERS, INVENTORY) * 2:
        clock[0] += callers.LIFETIME + 1
        ask(token, client_id)
    assert len(callers._latest.verified_before) == 1


def test_clients_that_nobody_knows_are_not_counted(token):
    fail(token, client_id="nobody")
    assert len(callers.failures._full_at) == 0


def test_pairs_of_client_and_address_are_kept_up_to_a_number(token, monkeypatch):
    monkeypatch.setattr(failures, "MAX_PAIRS", 3)
    for number in range(9):
        fail(token, times=1, address=f"192.0.2.{number}")
    kept = [address for _, address in callers.failures._full_at]
    assert kept == ["192.0.2.6", "192.0.2.7", "192.0.2.8"]
