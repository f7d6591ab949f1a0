"""`validate`: in which order a token is looked up, limited, routed and introspected."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Barrier
from types import SimpleNamespace

import pytest
from django.core.cache import caches
from oauth_resource_server import (
    AccessToken,
    AuthorizationServerSkipped,
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    IntrospectionResponseInvalid,
    SigningKeyUnknown,
    TokenValidationError,
    TooManyInvalidTokens,
    validation,
)
from oauth_resource_server.conf import conf, reset_process_state
from oauth_resource_server.issuers import route
from oauth_resource_server.issuers.route import Issuers
from oauth_resource_server.validation import (
    MAX_TOKEN_LENGTH,
    is_held_up,
    process_state,
    validate,
)

from .fake_issuer import FakeIssuer
from .jwts import jwt

NOW = 1_000_000


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=NOW)
    monkeypatch.setattr(time, "time", lambda: clock.now)
    return clock


@pytest.fixture
def issuer(monkeypatch):
    """The only issuer. `answers` has its answer or error per token; an answer takes `delay` s."""
    issuer = FakeIssuer("issuer")
    issuer.answers, issuer.delay = {}, 0

    def answer(token, jwt):
        issuer.seen.append(token)
        if issuer.delay:
            issuer.clock.now += issuer.delay
        found = issuer.answers.get(token)
        if isinstance(found, BaseException):
            raise found
        return found

    def configured():
        return Issuers([issuer], caching_seconds=conf().caching_seconds)

    issuer.validate = answer
    monkeypatch.setattr(validation, "configured_issuers", configured)
    monkeypatch.setattr(validation, "is_refused", lambda access_token: False)
    reset_process_state()
    return issuer


def active(exp=NOW + 3600):
    return AccessToken(sub="alice-uuid", exp=exp)


def from_address(token, address="10.0.0.1"):
    return validate(token, meta={"REMOTE_ADDR": address})


# Active tokens.


@pytest.mark.usefixtures("clock")
def test_an_active_token_is_introspected_once(issuer):
    issuer.answers["a"] = active()
    assert (validate("a"), validate("a"), len(issuer.seen)) == (active(), active(), 1)


@pytest.mark.parametrize(("seconds", "requests"), [(59, 1), (60, 2)])
def test_an_active_token_is_cached_for_the_caching_seconds(issuer, clock, seconds, requests):
    issuer.answers["a"] = active()
    validate("a")
    clock.now += seconds
    validate("a")
    assert len(issuer.seen) == requests


@pytest.mark.parametrize(("seconds", "requests"), [(9, 1), (10, 2)])
def test_an_active_token_is_not_cached_past_exp(issuer, clock, seconds, requests):
    issuer.answers["a"] = active(exp=NOW + 10)
    validate("a")
    clock.now += seconds
    validate("a")
    assert len(issuer.seen) == requests


def test_a_token_without_exp_is_cached_for_the_caching_seconds(issuer, clock):
    issuer.answers["a"] = active(exp=None)
    validate("a")
    clock.now += 59
    validate("a")
    assert len(issuer.seen) == 1


def test_the_cache_lifetime_begins_before_the_request(issuer, clock):
    issuer.answers["a"], issuer.delay, issuer.clock = active(), 2, clock
    validate("a")
    clock.now += 58
    validate("a")
    assert len(issuer.seen) == 2


def test_no_active_token_is_cached_for_0_seconds(issuer, configure):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0)
    issuer.answers["a"] = active(exp=None)
    assert (validate("a") is None, validate("a") is None, len(issuer.seen)) == (False, False, 2)


def test_a_revoked_token_is_invalid_after_the_caching_seconds(issuer, clock):
    issuer.answers["a"] = active()
    validate("a")
    issuer.answers["a"] = None
    clock.now += 60
    assert validate("a") is None


def test_no_token_is_in_the_caches(issuer):
    issuer.answers["very-secret"] = active(exp=None)
    validate("very-secret")
    validate("secret-too")
    cache = process_state().local_cache
    stored = "".join(str(vars(part)) for part in (cache._active, cache._inactive))
    assert ("alice-uuid" in stored, "secret" in stored) == (True, False)


# Invalid tokens.


@pytest.mark.parametrize(("seconds", "requests"), [(4, 1), (5, 2)])
def test_an_inactive_token_is_cached_for_its_own_seconds(issuer, clock, seconds, requests):
    validate("a")
    clock.now += seconds
    assert (validate("a"), len(issuer.seen)) == (None, requests)


def test_no_inactive_token_is_cached_for_0_seconds(issuer, configure):
    configure(INACTIVE_CACHING_SECONDS=0)
    assert (validate("a"), validate("a"), len(issuer.seen)) == (None, None, 2)


@pytest.mark.parametrize("token", ["", "a b", "ö", "=", "x" * (MAX_TOKEN_LENGTH + 1)])
def test_a_malformed_token_is_invalid_without_a_request(issuer, token):
    assert (validate(token), issuer.seen) == (None, [])


def test_a_token_of_a_refused_owner_is_invalid(issuer, monkeypatch):
    monkeypatch.setattr(validation, "is_refused", lambda access_token: True)
    issuer.answers["a"] = active()
    assert (validate("a"), validate("a"), len(issuer.seen)) == (None, None, 1)


# Outages.


def test_an_error_is_not_cached(issuer):
    issuer.answers["a"] = AuthorizationServerUnavailable("down")
    with pytest.raises(AuthorizationServerUnavailable):
        validate("a")
    issuer.answers["a"] = active(exp=None)
    assert validate("a") is not None


def test_a_cached_token_is_valid_in_an_outage(issuer):
    issuer.answers["a"] = active(exp=None)
    validate("a")
    issuer.answers["a"] = AuthorizationServerUnavailable("down")
    assert validate("a") is not None


@pytest.fixture
def validate_in_an_outage(issuer, configure, clock):
    """Return a function: validate a token, wait, and validate it again while `error` is raised."""

    def validate_in_an_outage(seconds, *, may_be_stale=True, error=None, exp=NOW + 3600, **changes):
        configure(**{"STALE_IF_ERROR_SECONDS": 300} | changes)
        issuer.answers["a"] = active(exp)
        validate("a")
        clock.now += seconds
        issuer.answers["a"] = error or AuthorizationServerUnavailable("down")
        return validate("a", may_be_stale=may_be_stale)

    return validate_in_an_outage


@pytest.mark.parametrize("seconds", [60, 359])
def test_a_stale_token_may_be_used_in_an_outage(validate_in_an_outage, seconds):
    assert validate_in_an_outage(seconds) == active()


@pytest.mark.parametrize(
    ("seconds", "options"),
    [
        (360, {}),
        (60, {"exp": NOW + 60}),
        (60, {"may_be_stale": False}),
        (60, {"STALE_IF_ERROR_SECONDS": 0}),
        (60, {"RESOURCE_SERVER_TOKEN_CACHING_SECONDS": 0, "STALE_IF_ERROR_SECONDS": 60}),
        (60, {"error": IntrospectionCredentialsRefused("no")}),
        (60, {"error": IntrospectionResponseInvalid("no")}),
        (60, {"error": TooManyInvalidTokens("no")}),
    ],
    ids=str,
)
def test_a_stale_token_is_not_used_otherwise(validate_in_an_outage, seconds, options):
    with pytest.raises(TokenValidationError):
        validate_in_an_outage(seconds, **options)


def test_a_stale_token_that_became_inactive_is_not_used(issuer, configure, clock):
    configure(STALE_IF_ERROR_SECONDS=300)
    for answer in (active(), None):
        issuer.answers["a"] = answer
        validate("a")
        clock.now += 60
    issuer.answers["a"] = AuthorizationServerUnavailable("down")
    with pytest.raises(AuthorizationServerUnavailable):
        validate("a", may_be_stale=True)


def bearer(token):
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


@pytest.fixture
def outage(issuer):
    """Every token but `known` (active) and `unknown` (inactive) meets an outage."""
    issuer.answers = {"known": active(exp=None), "a": AuthorizationServerUnavailable("down")}
    for token in ("known", "unknown", "a"):
        with suppress(AuthorizationServerUnavailable):
            validate(token)


@pytest.mark.usefixtures("outage")
def test_a_token_that_is_not_cached_is_held_up_in_an_outage():
    assert is_held_up(bearer("a"))


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize("meta", [{}, bearer("known"), bearer("unknown"), bearer("")], ids=str)
def test_other_requests_are_not_held_up_in_an_outage(meta):
    assert not is_held_up(meta)


def test_a_stale_token_is_not_held_up(validate_in_an_outage):
    validate_in_an_outage(60)
    assert not is_held_up(bearer("a"))


def test_no_request_is_held_up_without_an_outage(issuer):
    validate("a")
    assert not is_held_up(bearer("b"))


def test_nothing_is_held_up_nor_made_before_the_first_token():
    reset_process_state()
    assert (is_held_up(bearer("a")), process_state.made) == (False, None)


# The rate limit of an address.


@pytest.fixture
def limited(issuer, configure):
    """Three invalid tokens of one address are introspected."""
    configure(INVALID_TOKEN_BURST=3, INVALID_TOKEN_RATE=0.01, BREAKER_OUTAGES=1000)
    return issuer


def introspected(issuer, answer, tokens=9):
    """How many of some new tokens of one address are introspected, if each gets `answer`."""
    for number in range(tokens):
        token = f"token-{number}"
        issuer.answers[token] = answer
        with suppress(TokenValidationError, RuntimeError):
            from_address(token)
    return len(issuer.seen)


@pytest.mark.parametrize(
    "answer",
    [
        active(exp=None),
        AuthorizationServerUnavailable("down"),
        AuthorizationServerSkipped("circuit open"),
    ],
    ids=repr,
)
def test_valid_tokens_and_outages_are_not_charged(limited, answer):
    assert introspected(limited, answer) == 9


@pytest.mark.parametrize(
    "answer",
    [
        None,
        IntrospectionResponseInvalid("Status 413"),
        IntrospectionCredentialsRefused("no"),
        SigningKeyUnknown("no"),
        RuntimeError("a bug"),
    ],
    ids=repr,
)
def test_every_other_outcome_is_charged(limited, answer):
    assert introspected(limited, answer) == 3


def test_a_token_of_a_refused_owner_is_charged(limited, monkeypatch):
    monkeypatch.setattr(validation, "is_refused", lambda access_token: True)
    assert introspected(limited, active(exp=None)) == 3


def test_another_address_is_not_affected(limited):
    introspected(limited, None)
    assert from_address("another", "10.0.0.2") is None


def test_a_cached_token_is_not_affected(limited):
    limited.answers["good"] = active(exp=None)
    from_address("good")
    introspected(limited, None)
    assert from_address("good") is not None


def test_an_address_over_its_limit_takes_no_slot(limited):
    introspected(limited, None)
    with ExitStack() as stack:
        for _ in range(conf().max_waiting_threads):
            stack.enter_context(process_state().bulkhead.slot("issuer"))
        with pytest.raises(TooManyInvalidTokens):
            from_address("another")


def test_an_address_over_its_limit_does_not_use_the_shared_cache(limited, configure, monkeypatch):
    configure(SHARED_CACHE="default")
    introspected(limited, None)
    keys = []
    monkeypatch.setattr(
        type(process_state().shared_cache), "get", lambda self, key: keys.append(key)
    )
    with pytest.raises(TooManyInvalidTokens):
        from_address("another")
    assert keys == []


# Routes.


def test_a_token_without_a_route_is_invalid_without_a_slot(issuer):
    with ExitStack() as stack:
        for _ in range(conf().max_waiting_threads):
            stack.enter_context(process_state().bulkhead.slot("issuer"))
        assert validate(jwt(iss="https://untrusted.example.com")) is None


@pytest.mark.parametrize(("module", "name"), [(route, "parse"), (validation, "sha256")])
def test_a_new_token_is_parsed_and_hashed_once(issuer, monkeypatch, module, name):
    calls, function = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda value: calls.append(value) or function(value))
    validate(jwt(iss="https://issuer"))
    assert (len(calls), len(issuer.seen)) == (1, 1)


# The shared cache.


@pytest.fixture
def processes(issuer, configure):
    """Return a function: validate a token in a new process."""
    caches["default"].clear()
    configure(SHARED_CACHE="default")

    def in_a_new_process(token):
        reset_process_state()
        return validate(token)

    return in_a_new_process


def test_two_processes_introspect_a_token_once(processes, issuer):
    issuer.answers["a"] = active(exp=4_000_000_000)
    assert (processes("a"), processes("a"), len(issuer.seen)) == (*[active(4_000_000_000)] * 2, 1)


def test_sharing_a_token_does_not_extend_its_cache_lifetime(processes, issuer, clock):
    issuer.answers["a"] = active()
    processes("a")
    clock.now += 59
    processes("a")
    clock.now += 1
    validate("a")
    assert len(issuer.seen) == 2


def test_a_process_with_a_shorter_cache_lifetime_keeps_to_it(processes, issuer, clock, configure):
    issuer.answers["a"] = active()
    processes("a")
    clock.now += 30
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=30)
    processes("a")
    assert len(issuer.seen) == 2


def test_an_inactive_token_is_not_shared(processes, issuer):
    assert (processes("a"), processes("a"), len(issuer.seen)) == (None, None, 2)


# Concurrent requests.


def test_200_concurrent_first_uses_are_one_introspection(issuer, configure, monkeypatch):
    # The time that they wait is not part of the test.
    monkeypatch.setattr(validation, "PATIENCE_SECONDS", 60)
    configure(INVALID_TOKEN_BURST=1)
    barrier = Barrier(200)

    def slow(token, jwt):
        issuer.seen.append(token)
        time.sleep(0.05)
        return active(exp=None)

    def request(_):
        barrier.wait(30)
        return from_address("a").sub

    issuer.validate = slow
    with ThreadPoolExecutor(200) as threads:
        assert set(threads.map(request, range(200))) == {"alice-uuid"}
    assert issuer.seen == ["a"]


@pytest.mark.parametrize("answer", [active(exp=None), None], ids=repr)
def test_a_result_of_a_flight_that_has_just_ended_is_used(issuer, monkeypatch, answer):
    issuer.answers["a"] = answer
    state, lookups = process_state(), []
    flights = state.flights

    class LateFlight:
        """Another thread validates the token between the look-up and the flight."""

        def __contains__(self, key):
            return False

        def __call__(self, key, request):
            if not lookups:
                lookups.append(key)
                validate("a")
            return flights(key, request)

    late = {name: getattr(state, name) for name in state.__slots__} | {"flights": LateFlight()}
    monkeypatch.setattr(validation, "process_state", lambda: validation.ProcessState(**late))
    assert (validate("a"), len(issuer.seen)) == (answer, 1)
