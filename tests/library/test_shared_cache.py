"""`SharedCache`: what other processes of this resource server have asked; `clock` is the time."""

import json
from types import SimpleNamespace

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from oauth_resource_server import AccessToken
from oauth_resource_server.cache import shared as shared_cache
from oauth_resource_server.cache.local import TokenCache
from oauth_resource_server.cache.shared import JSONSerializer, SharedCache
from oauth_resource_server.validation import token_cache

START = 1_000_000
JUDGE = ("https://as.example.com", "https://orders.example.com", "orders")
TOKEN = AccessToken(
    sub="alice-uuid", exp=4_000_000_000, aud=("https://orders.example.com",), username="alice"
)
KEY = b"k" * 32


class FailingCache(LocMemCache):
    """A server that is down."""

    tried = 0

    def get(self, *args, **kwargs):
        FailingCache.tried += 1
        raise ConnectionError("down")

    set = get


@pytest.fixture
def clock():
    return SimpleNamespace(now=START)


@pytest.fixture(autouse=True)
def _nothing_is_shared():
    caches["default"].clear()


@pytest.fixture
def make(clock):
    """Return a function that makes a `SharedCache`, as each process does."""

    def make(judge=JUDGE, caching_seconds=60, alias="default"):
        return SharedCache(
            alias, judge=judge, caching_seconds=caching_seconds, timer=lambda: clock.now
        )

    return make


@pytest.fixture
def failing(settings, make):
    FailingCache.tried = 0
    backend = {"BACKEND": f"{__name__}.FailingCache"}
    settings.CACHES = settings.CACHES | {"failing": backend}
    return make(alias="failing")


def stored():
    """All that is in the cache."""
    backend = caches["default"]
    return dict(backend._cache)


def value():
    [key] = stored()
    return caches["default"].get(key.split(":1:", 1)[1])


def test_another_process_gets_the_token(make):
    make().set(KEY, START, TOKEN)
    assert make().get(KEY) == (START, TOKEN)


def test_another_token_is_not_there(make):
    make().set(KEY, START, TOKEN)
    assert make().get(b"x" * 32) is None


@pytest.mark.parametrize("number", range(3))
def test_another_judge_gets_nothing(make, number):
    make().set(KEY, START, TOKEN)
    other = tuple("other" if index == number else part for index, part in enumerate(JUDGE))
    assert make(judge=other).get(KEY) is None


def test_a_key_is_versioned_and_a_digest(make):
    make().set(KEY, START, TOKEN)
    [key] = stored()
    assert f"oauth_resource_server:1:{make()._prefix[-17:]}{KEY.hex()}" in key


def test_a_value_is_json(make):
    make().set(KEY, START, TOKEN)
    asked, members = json.loads(value())
    assert (asked, members["sub"]) == (START, "alice-uuid")


@pytest.mark.parametrize(("seconds", "found"), [(59, True), (60, False)])
def test_a_life_counts_from_the_question(make, clock, seconds, found):
    make().set(KEY, START, TOKEN)
    clock.now += seconds
    assert (make().get(KEY) is not None) == found


def test_a_process_with_a_shorter_life_keeps_to_it(make, clock):
    make(caching_seconds=60).set(KEY, START, TOKEN)
    clock.now += 30
    assert make(caching_seconds=30).get(KEY) is None


def test_an_expired_token_is_not_found(make):
    make().set(KEY, START, AccessToken(sub="alice-uuid", exp=START + 10))
    assert make().get(KEY) is None  # By the clock of the system it is long past.


def test_a_token_at_its_end_is_not_shared(make, clock):
    make().set(KEY, START - 60, TOKEN)
    assert stored() == {}


def test_a_clock_that_is_ahead_lengthens_nothing(make, clock):
    make().set(KEY, START + 5, TOKEN)
    assert make().get(KEY) is None


@pytest.mark.parametrize(
    "garbage",
    ["", "{", "[]", "7", "null", "[1]", '["x", {}]', '[1, {"sub": "x"}]', '[1, {"aud": 7}]', 7, []],
)
def test_garbage_is_a_miss(make, garbage):
    make().set(KEY, START, TOKEN)
    [key] = stored()
    caches["default"].set(key.split(":1:", 1)[1], garbage)
    assert make().get(KEY) is None


def test_the_serializer_keeps_what_it_is_given():
    serializer = JSONSerializer()
    assert serializer.loads(serializer.dumps(["a", 1, None])) == ["a", 1, None]


def test_the_serializer_executes_nothing():
    with pytest.raises(json.JSONDecodeError):
        JSONSerializer().loads(b"cos\nsystem\n(S'true'\ntR.")


# A cache that fails.


def test_a_cache_that_fails_is_an_empty_one(failing):
    failing.set(KEY, START, TOKEN)
    assert failing.get(KEY) is None


def test_it_is_left_alone_for_a_while(failing, monkeypatch):
    monkeypatch.setattr(shared_cache, "RETRY_SECONDS", 60)
    for _ in range(100):
        failing.get(KEY)
    assert FailingCache.tried == 1


def test_it_is_asked_once_before_the_time_of_a_request_begins(failing, configure):
    configure(SHARED_CACHE="failing")
    token_cache()
    assert FailingCache.tried == 1


def test_the_log_says_so_once(failing, caplog):
    for _ in range(100):
        failing._retry_at = 0
        failing.get(KEY)
    assert ["fails" in message for message in caplog.messages] == [True]


# Below the cache of a process.


@pytest.fixture
def process(clock, make):
    """Return a function that makes a process, which returns what it answers about a token."""

    def process(answer, **options):
        cache = TokenCache(
            caching_seconds=60,
            inactive_seconds=5,
            max_entries=9,
            inactive_max_entries=9,
            shared=make(),
            timer=lambda: clock.now,
            **options,
        )

        def introspect(token):
            process.asked += 1
            return answer

        return lambda: cache.get_or_introspect("a", introspect)

    process.asked = 0
    return process


def test_two_processes_ask_once(process):
    assert [process(TOKEN)(), process(TOKEN)(), process.asked] == [TOKEN, TOKEN, 1]


def test_the_second_level_lengthens_no_life(process, clock):
    first, second = process(TOKEN), process(TOKEN)
    first()
    clock.now += 59
    second()
    clock.now += 1
    second()
    assert process.asked == 2


def test_an_inactive_token_is_not_shared(process):
    assert [process(None)(), process(None)(), process.asked, stored()] == [None, None, 2, {}]


def test_requests_go_on_without_it(process, failing):
    assert process(TOKEN)() == TOKEN
