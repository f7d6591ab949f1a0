"""`TokenCache` remembers for a bounded time and a bounded number; `clock` is the time."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from types import SimpleNamespace

import pytest
from oauth_resource_server import (
    AccessToken,
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    IntrospectionResponseInvalid,
    TokenValidationError,
    TooManyInvalidTokens,
)
from oauth_resource_server.cache.local import TokenCache
from oauth_resource_server.resilience.bulkhead import Bulkhead

START = 1_000_000


@pytest.fixture
def clock():
    return SimpleNamespace(now=START)


@pytest.fixture
def server(clock):
    """What is asked: `answers` by token, `asked` in order; an answer takes `delay` seconds."""
    server = SimpleNamespace(answers={}, asked=[], delay=0)

    def introspect(token):
        server.asked.append(token)
        clock.now += server.delay
        answer = server.answers.get(token)
        if isinstance(answer, Exception):
            raise answer
        return answer

    server.introspect = introspect
    return server


@pytest.fixture
def make_cache(clock, server):
    """Return a function that makes a cache, and returns the function that asks it."""

    def make_cache(**options):
        defaults = {
            "caching_seconds": 60,
            "inactive_seconds": 5,
            "max_entries": 100,
            "inactive_max_entries": 100,
        }
        cache = TokenCache(**defaults | options, timer=lambda: clock.now)
        return partial(cache.get_or_introspect, introspect=server.introspect)

    return make_cache


def active(exp=START + 3600):
    return AccessToken(sub="alice-uuid", exp=exp)


def test_an_active_token_is_asked_about_once(make_cache, server):
    ask, server.answers["a"] = make_cache(), active()
    assert (ask("a"), ask("a"), len(server.asked)) == (active(), active(), 1)


@pytest.mark.parametrize(("seconds", "asked"), [(59, 1), (60, 2)])
def test_it_is_remembered_for_the_caching_seconds(make_cache, server, clock, seconds, asked):
    ask, server.answers["a"] = make_cache(), active()
    ask("a")
    clock.now += seconds
    ask("a")
    assert len(server.asked) == asked


@pytest.mark.parametrize(("seconds", "asked"), [(9, 1), (10, 2)])
def test_it_is_not_remembered_past_exp(make_cache, server, clock, seconds, asked):
    ask, server.answers["a"] = make_cache(), active(exp=START + 10)
    ask("a")
    clock.now += seconds
    ask("a")
    assert len(server.asked) == asked


def test_one_without_exp_is_remembered_for_the_caching_seconds(make_cache, server, clock):
    ask, server.answers["a"] = make_cache(), active(exp=None)
    ask("a")
    clock.now += 59
    ask("a")
    assert len(server.asked) == 1


def test_using_it_does_not_prolong_its_time(make_cache, server, clock):
    ask, server.answers["a"] = make_cache(), active()
    for _ in range(3):
        ask("a")
        clock.now += 30
    assert len(server.asked) == 2


def test_its_time_counts_from_the_question(make_cache, server, clock):
    ask, server.answers["a"], server.delay = make_cache(), active(), 2
    ask("a")
    clock.now += 58
    ask("a")
    assert len(server.asked) == 2


def test_nothing_active_is_remembered_for_0_seconds(make_cache, server):
    ask, server.answers["a"] = make_cache(caching_seconds=0), active()
    assert (ask("a"), ask("a"), len(server.asked)) == (active(), active(), 2)


def test_a_revoked_token_is_inactive_after_the_caching_seconds(make_cache, server, clock):
    ask, server.answers["a"] = make_cache(), active()
    ask("a")
    server.answers["a"] = None
    clock.now += 60
    assert ask("a") is None


def test_an_inactive_token_is_asked_about_once(make_cache, server):
    ask = make_cache()
    assert (ask("a"), ask("a"), len(server.asked)) == (None, None, 1)


@pytest.mark.parametrize(("seconds", "asked"), [(4, 1), (5, 2)])
def test_it_is_remembered_for_its_own_seconds(make_cache, server, clock, seconds, asked):
    ask = make_cache()
    ask("a")
    clock.now += seconds
    ask("a")
    assert len(server.asked) == asked


def test_no_inactive_token_is_remembered_for_0_seconds(make_cache, server):
    ask = make_cache(inactive_seconds=0)
    assert (ask("a"), ask("a"), len(server.asked)) == (None, None, 2)


def test_a_failure_is_not_remembered(make_cache, server):
    ask, server.answers["a"] = make_cache(), AuthorizationServerUnavailable("down")
    with pytest.raises(AuthorizationServerUnavailable):
        ask("a")
    server.answers["a"] = active()
    assert ask("a") == active()


def test_a_token_that_is_remembered_survives_an_outage(make_cache, server):
    ask, server.answers["a"] = make_cache(), active()
    ask("a")
    server.answers["a"] = AuthorizationServerUnavailable("down")
    assert ask("a") == active()


def test_the_token_that_was_used_least_recently_goes_first(make_cache, server):
    ask = make_cache(max_entries=2)
    server.answers = dict.fromkeys("abc", active())
    for token in "abac":
        ask(token)
    server.asked.clear()
    for token in "acb":
        ask(token)
    assert server.asked == ["b"]


def test_inactive_tokens_are_bounded_too(make_cache, server):
    ask = make_cache(inactive_max_entries=2)
    for token in "abca":
        ask(token)
    assert server.asked == ["a", "b", "c", "a"]


def test_a_flood_of_garbage_drives_no_good_token_out(make_cache, server):
    ask, server.answers["good"] = make_cache(max_entries=1, inactive_max_entries=1), active()
    ask("good")
    for number in range(100):
        ask(f"garbage-{number}")
    ask("good")
    assert server.asked.count("good") == 1


def test_no_token_stands_in_the_cache(clock, server):
    cache = TokenCache(
        caching_seconds=60,
        inactive_seconds=5,
        max_entries=9,
        inactive_max_entries=9,
        timer=lambda: clock.now,
    )
    server.answers["very-secret"] = active()
    cache.get_or_introspect("very-secret", server.introspect)
    cache.get_or_introspect("secret-too", server.introspect)
    remembered = [str(vars(part)) for part in (cache._active, cache._inactive)]
    assert ["alice" in remembered[0], "secret" in "".join(remembered)] == [True, False]


def test_the_number_of_tokens_is_bounded(clock, server):
    cache = TokenCache(
        caching_seconds=60, inactive_seconds=5, max_entries=10, inactive_max_entries=10
    )
    for number in range(100):
        cache.get_or_introspect(f"good-{number}", lambda token: active(exp=None))
        cache.get_or_introspect(f"bad-{number}", lambda token: None)
    sizes = [len(part._young) + len(part._old) for part in (cache._active, cache._inactive)]
    assert max(sizes) <= 10


def test_a_token_that_is_used_stays(make_cache, server):
    ask = make_cache(max_entries=4)
    server.answers = {"used": active()} | {f"{number}": active() for number in range(50)}
    for number in range(50):
        ask("used")
        ask(f"{number}")
    assert server.asked.count("used") == 1


# During an outage, where the view allows it.


@pytest.fixture
def ask_in_an_outage(make_cache, server, clock):
    """Return a function: remember a token of that `exp`, wait, and ask while nobody answers."""

    def ask_in_an_outage(seconds, *, exp=START + 3600, may_be_stale=True, error=None, **options):
        ask = make_cache(**{"stale_seconds": 300} | options)
        server.answers["a"] = active(exp)
        ask("a")
        clock.now += seconds
        server.answers["a"] = error or AuthorizationServerUnavailable("down")
        return ask("a", may_be_stale=may_be_stale)

    return ask_in_an_outage


@pytest.mark.parametrize("seconds", [60, 359])
def test_a_token_may_be_used_longer_in_an_outage(ask_in_an_outage, seconds):
    assert ask_in_an_outage(seconds) == active()


@pytest.mark.parametrize(
    ("seconds", "options"),
    [
        (360, {}),
        (60, {"exp": START + 60}),
        (60, {"may_be_stale": False}),
        (60, {"stale_seconds": 0}),
        (60, {"caching_seconds": 0, "stale_seconds": 60}),
        (60, {"error": IntrospectionCredentialsRefused("no")}),
        (60, {"error": IntrospectionResponseInvalid("no")}),
        (60, {"error": TooManyInvalidTokens("no")}),
    ],
)
def test_but_not_always(ask_in_an_outage, seconds, options):
    with pytest.raises(TokenValidationError):
        ask_in_an_outage(seconds, **options)


def test_a_token_that_was_said_to_be_inactive_is_not_used_in_an_outage(make_cache, server, clock):
    ask = make_cache(stale_seconds=300)
    for answer in (active(), None):
        server.answers["a"] = answer
        ask("a")
        clock.now += 60
    server.answers["a"] = AuthorizationServerUnavailable("down")
    with pytest.raises(AuthorizationServerUnavailable):
        ask("a", may_be_stale=True)


# Together.


def test_200_first_uses_at_once_are_one_introspection(monkeypatch):
    # How long they wait is no part of it.
    monkeypatch.setattr("oauth_resource_server.cache.local.PATIENCE_SECONDS", 60)
    asked, barrier = [], Barrier(200)

    def introspect(token):
        asked.append(token)
        time.sleep(0.05)
        return active(exp=None)

    cache = TokenCache(
        caching_seconds=60,
        inactive_seconds=5,
        max_entries=9,
        inactive_max_entries=9,
        room=Bulkhead(seconds=60),
    )

    def ask(_):
        barrier.wait(30)
        return cache.get_or_introspect("a", introspect).sub

    with ThreadPoolExecutor(200) as threads:
        assert (set(threads.map(ask, range(200))), asked) == ({"alice-uuid"}, ["a"])
