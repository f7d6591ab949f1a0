"""`LocalCache` stores tokens for a bounded time and in a bounded number; `clock` is the time."""

import time
from math import inf
from types import SimpleNamespace

import pytest
from oauth_resource_server import AccessToken
from oauth_resource_server.cache.local import LocalCache

NOW = 1_000_000
TOKEN = AccessToken(sub="alice-uuid", exp=NOW + 3600)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = SimpleNamespace(now=NOW)
    monkeypatch.setattr(time, "time", lambda: clock.now)
    return clock


@pytest.fixture
def cache():
    return LocalCache(max_entries=100, inactive_max_entries=100, stale_seconds=300)


def small(max_entries):
    return LocalCache(max_entries=max_entries, inactive_max_entries=max_entries)


def test_an_active_token_is_found(cache):
    cache.put(b"a", TOKEN, NOW + 60)
    assert cache.get(b"a") is TOKEN


def test_an_unknown_token_is_not_found(cache):
    assert (cache.get(b"a"), cache.get_stale(b"a"), cache.is_inactive(b"a")) == (None, None, False)


@pytest.mark.parametrize(("seconds", "is_found"), [(59, True), (60, False)])
def test_an_entry_expires(cache, clock, seconds, is_found):
    cache.put(b"a", TOKEN, NOW + 60)
    clock.now += seconds
    assert (cache.get(b"a") is not None) is is_found


def test_reading_an_entry_does_not_extend_its_lifetime(cache, clock):
    cache.put(b"a", TOKEN, NOW + 60)
    for _ in range(6):
        cache.get(b"a")
        clock.now += 10
    assert cache.get(b"a") is None


@pytest.mark.parametrize(("seconds", "is_found"), [(60, True), (359, True), (360, False)])
def test_a_stale_entry_is_found_for_the_stale_seconds(cache, clock, seconds, is_found):
    cache.put(b"a", TOKEN, NOW + 60)
    clock.now += seconds
    assert (cache.get_stale(b"a") is not None) is is_found


def test_a_stale_token_is_not_used_past_exp(cache, clock):
    cache.put(b"a", AccessToken(sub="alice-uuid", exp=NOW + 90), NOW + 60)
    clock.now += 90
    assert cache.get_stale(b"a") is None


@pytest.mark.parametrize(("seconds", "is_inactive"), [(4, True), (5, False)])
def test_an_inactive_entry_expires(cache, clock, seconds, is_inactive):
    cache.put_inactive(b"a", NOW + 5)
    clock.now += seconds
    assert cache.is_inactive(b"a") is is_inactive


def test_an_inactive_token_is_not_found_as_an_active_one(cache):
    cache.put(b"a", TOKEN, NOW + 60)
    cache.put_inactive(b"a", NOW + 5)
    assert (cache.get(b"a"), cache.get_stale(b"a")) == (None, None)


@pytest.mark.parametrize("seconds", [1, 3600])
def test_an_entry_does_not_live_longer_because_the_clock_is_set_back(cache, clock, seconds):
    cache.vouched_until = inf
    cache.put(b"a", TOKEN, NOW + 60, NOW + 600)
    cache.put_inactive(b"b", NOW + 5)
    clock.now -= seconds
    found = cache.get(b"a"), cache.get_stale(b"a"), cache.is_inactive(b"b")
    assert found == (None, None, False)


def test_the_least_recently_used_token_is_evicted_first():
    cache = small(2)
    for key in (b"a", b"b"):
        cache.put(key, TOKEN, NOW + 60)
    cache.get(b"a")
    cache.put(b"c", TOKEN, NOW + 60)
    assert [key for key in (b"a", b"b", b"c") if cache.get(key)] == [b"a", b"c"]


def test_a_token_that_is_used_is_not_evicted():
    cache = small(4)
    cache.put(b"used", TOKEN, NOW + 60)
    for number in range(50):
        cache.put(b"%d" % number, TOKEN, NOW + 60)
        assert cache.get(b"used") is TOKEN


def test_the_number_of_tokens_is_bounded():
    cache = small(10)
    for number in range(100):
        cache.put(b"%d" % number, TOKEN, NOW + 60)
        cache.put_inactive(b"-%d" % number, NOW + 5)
    sizes = [len(part._young) + len(part._old) for part in (cache._active, cache._inactive)]
    assert max(sizes) <= 10


def test_a_flood_of_inactive_tokens_evicts_no_active_one():
    cache = small(1)
    cache.put(b"good", TOKEN, NOW + 60)
    for number in range(100):
        cache.put_inactive(b"%d" % number, NOW + 5)
    assert cache.get(b"good") is TOKEN
