"""Whoever fails to authenticate again and again is not looked at, and nobody else notices."""

import pytest
from oauth2_provider.models import Application

from client_registry.hashers import MachineSecretHasher
from introspection import callers, credentials, endpoint, failures
from tests.flows import FORM, MACHINE, basic, machine_token

ORDERS, INVENTORY = "orders-introspection", "inventory-introspection"
pytestmark = pytest.mark.usefixtures("registered")


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


def change_secret(client_id):
    """Give a client a secret that nobody knows."""
    unknown = MachineSecretHasher().encode("a-secret-that-nobody-knows", "salt")
    Application.objects.filter(client_id=client_id).update(client_secret=unknown)


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


def test_also_when_another_client_has_changed(token, clock):
    assert is_answered(ask(token))
    assert is_answered(ask(token, INVENTORY))
    fail(token)
    change_secret(INVENTORY)
    assert ask(token, INVENTORY).status_code == 401
    assert is_answered(ask(token))


def test_a_secret_that_is_right_no_more_is_counted(token, looked_at, clock):
    assert is_answered(ask(token))
    change_secret(ORDERS)
    clock[0] += callers.LIFETIME + 1
    looked_at.clear()
    for _ in range(50):
        assert ask(token).status_code == 401
    assert len(looked_at) == failures.AT_ONCE


def test_clients_that_nobody_knows_are_not_counted(token):
    fail(token, client_id="nobody")
    assert len(callers._failures._full_at) == 0


def test_pairs_of_client_and_address_are_kept_up_to_a_number(token, monkeypatch):
    monkeypatch.setattr(failures, "MAX_PAIRS", 3)
    for number in (0, 1, 2, 0, 3):
        fail(token, times=1, address=f"192.0.2.{number}")
    kept = [address for _, address in callers._failures._full_at]
    assert kept == ["192.0.2.2", "192.0.2.0", "192.0.2.3"]


def test_the_log_says_that_it_was_not_looked_at(token, clock, caplog):
    fail(token)
    clock[0] += 0.5
    caplog.clear()
    endpoint._last_logged = float("-inf")
    fail(token, times=1)
    assert "invalid_client (too many wrong secrets from 192.0.2.1)" in caplog.text


@pytest.mark.parametrize(
    ("environ", "is_proxied", "address"),
    [
        ({"REMOTE_ADDR": "192.0.2.1"}, True, "192.0.2.1"),
        ({"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "8.8.8.8"}, False, "192.0.2.1"),
        ({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "1.1.1.1, 8.8.8.8"}, True, "8.8.8.8"),
        ({"REMOTE_ADDR": "2001:db8::1"}, False, "2001:0db8:0000:0000"),
        ({"REMOTE_ADDR": "2001:db8::2:0:0:1"}, False, "2001:0db8:0000:0000"),
        ({"REMOTE_ADDR": "::ffff:192.0.2.1"}, False, "192.0.2.1"),
        ({"REMOTE_ADDR": "x" * 99}, False, "x" * 45),
        ({}, True, ""),
    ],
)
def test_whose_failures_they_are(environ, is_proxied, address):
    assert failures.client_address(environ, is_proxied=is_proxied) == address
