"""`AccessToken` is what a view gets."""

import dataclasses
import pickle
import time
from datetime import UTC, datetime

import pytest
from oauth_resource_server import AccessToken

TOKEN = AccessToken(
    sub="alice-uuid",
    client_id="shop",
    scope="orders:read billing:read",
    exp=4_000_000_000,
    username="alice",
)


def test_it_allows_the_scopes_that_it_carries():
    assert TOKEN.allow_scopes(["billing:read", "orders:read"])


def test_it_does_not_allow_another_scope():
    assert not TOKEN.allow_scopes(["orders:read", "orders:write"])


@pytest.mark.parametrize("scopes", [None, [], ()])
def test_it_allows_what_needs_no_scope(scopes):
    assert TOKEN.allow_scopes(scopes)


def test_a_part_of_a_scope_is_no_scope():
    assert not TOKEN.allow_scopes(["orders"])


@pytest.mark.parametrize(("offset", "expired"), [(-1, True), (0, True), (60, False)])
def test_it_expires_in_the_second_that_exp_names(offset, expired):
    token = dataclasses.replace(TOKEN, exp=int(time.time()) + offset)
    assert token.is_expired() is expired


def test_it_never_expires_without_exp():
    assert not dataclasses.replace(TOKEN, exp=None).is_expired()


def test_it_is_valid_for_a_scope_that_it_carries():
    assert TOKEN.is_valid(["orders:read"])


def test_it_is_not_valid_for_another_scope():
    assert not TOKEN.is_valid(["orders:write"])


def test_it_is_not_valid_when_it_has_expired():
    assert not dataclasses.replace(TOKEN, exp=1).is_valid()


def test_its_end_is_a_time_in_utc_whatever_the_time_zone_of_the_project():
    assert TOKEN.expires == datetime(2096, 10, 2, 7, 6, 40, tzinfo=UTC)


def test_it_has_no_end_without_exp():
    assert dataclasses.replace(TOKEN, exp=None).expires is None


def test_its_scopes_are_those_that_the_resource_server_knows():
    assert TOKEN.scopes == {"orders:read": "See your orders"}


@pytest.mark.parametrize(
    ("members", "is_machine"),
    [
        ({"sub": "shop", "username": None}, True),
        ({"sub": "", "username": None}, True),
        ({"sub": "alice-uuid", "username": None}, False),
        ({"sub": "alice-uuid", "username": "alice"}, False),
        ({"sub": "shop", "username": "alice"}, False),
    ],
)
def test_a_machine_has_no_username_and_no_sub_of_its_own(members, is_machine):
    assert dataclasses.replace(TOKEN, **members).is_machine is is_machine


def test_it_has_no_application_as_a_token_of_the_toolkit_would():
    assert TOKEN.application is None


def test_it_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TOKEN.scope = "orders:write"


def test_it_can_be_kept_in_a_cache_of_another_process():
    assert pickle.loads(pickle.dumps(TOKEN)) == TOKEN
