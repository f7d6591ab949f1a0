"""`SharedCache`: tokens that other processes have validated; `clock` is the time."""

import json
import time
from threading import Event, Thread
from types import SimpleNamespace

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from oauth_resource_server import AccessToken
from oauth_resource_server.cache import shared
from oauth_resource_server.cache.shared import VERSION, SharedCache
from oauth_resource_server.validation import process_state

NOW = 1_000_000
NAMESPACE = ("https://as.example.com", "https://orders.example.com", "orders")
TOKEN = AccessToken(
    sub="alice-uuid", exp=NOW + 3600, aud=("https://orders.example.com",), username="alice"
)
KEY = b"k" * 32


class FailingCache(LocMemCache):
    """A cache server that is down."""

    calls = 0

    def get(self, *args, **kwargs):
        FailingCache.calls += 1
        raise ConnectionError("down")

    set = get


class HangingCache(LocMemCache):
    """A cache server whose name is not resolved until `GO`."""

    calls, STARTED, GO = 0, Event(), Event()

    def get(self, *args, **kwargs):
        HangingCache.calls += 1
        self.STARTED.set()
        assert self.GO.wait(60)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = SimpleNamespace(now=NOW)
    monkeypatch.setattr(time, "time", lambda: clock.now)
    caches["default"].clear()
    return clock


@pytest.fixture
def failing(settings):
    FailingCache.calls = 0
    backend = {"BACKEND": f"{__name__}.FailingCache"}
    settings.CACHES = settings.CACHES | {"failing": backend}
    return SharedCache("failing", NAMESPACE)


def cache(namespace=NAMESPACE):
    """A cache object, as each process has one."""
    return SharedCache("default", namespace)


def share(token=TOKEN, asked=NOW, until=NOW + 60):
    cache().set(KEY, token, asked, until)


def stored_keys():
    return list(caches["default"]._cache)


def stored_key():
    [key] = stored_keys()
    return key.split(":1:", 1)[1]  # Without the prefix of Django.


def test_another_process_gets_the_token_and_the_time_of_its_introspection():
    share(asked=NOW - 7)
    assert cache().get(KEY) == (NOW - 7, TOKEN)


def test_another_token_is_not_found():
    share()
    assert cache().get(b"x" * 32) is None


@pytest.mark.parametrize("number", range(3))
def test_a_process_with_other_issuers_finds_nothing(number):
    share()
    other = tuple("other" if at == number else part for at, part in enumerate(NAMESPACE))
    assert cache(other).get(KEY) is None


def test_a_key_has_a_version_and_a_digest():
    share()
    assert stored_key().startswith(f"oauth_resource_server:{VERSION}:")
    assert stored_key().endswith(f":{KEY.hex()}")


def test_a_value_is_json():
    share()
    asked, members = json.loads(caches["default"].get(stored_key()))
    assert (asked, members["sub"]) == (NOW, "alice-uuid")


def test_an_entry_expires(clock):
    share()
    clock.now += 60
    assert cache().get(KEY) is None


def test_an_expired_token_is_not_found(clock):
    share(AccessToken(sub="alice-uuid", exp=NOW + 10))
    clock.now += 10
    assert cache().get(KEY) is None


def test_a_token_without_lifetime_is_not_shared():
    share(until=NOW)
    assert stored_keys() == []


def test_an_entry_from_a_clock_that_is_ahead_is_not_used():
    share(asked=NOW + 5)
    assert cache().get(KEY) is None


@pytest.mark.parametrize(
    "garbage",
    ["", "{", "[]", "7", "null", "[1]", '["x", {}]', '[1, {"sub": "x"}]', '[1, {"aud": 7}]', 7, []],
)
def test_garbage_is_a_miss(garbage):
    share()
    caches["default"].set(stored_key(), garbage)
    assert cache().get(KEY) is None


# A failing cache server.


def test_a_failing_cache_counts_as_empty(failing):
    failing.set(KEY, TOKEN, NOW, NOW + 60)
    assert failing.get(KEY) is None


def test_a_failing_cache_is_not_used_for_a_while(failing, monkeypatch):
    monkeypatch.setattr(shared, "RETRY_SECONDS", 60)
    for _ in range(100):
        failing.get(KEY)
    assert FailingCache.calls == 1


@pytest.fixture
def hanging(settings, monkeypatch):
    """Return a cache in which another thread hangs."""
    monkeypatch.setattr(shared, "SLOW_SECONDS", 0)
    backend = {"BACKEND": f"{__name__}.HangingCache"}
    settings.CACHES = settings.CACHES | {"hanging": backend}
    hanging = SharedCache("hanging", NAMESPACE)
    other = Thread(target=hanging.get, args=[KEY])
    other.start()
    assert HangingCache.STARTED.wait(60)
    yield hanging
    HangingCache.GO.set()
    other.join()


def test_a_cache_that_holds_up_a_thread_holds_up_no_other(hanging):
    assert hanging.get(KEY) is None
    assert HangingCache.calls == 1


def test_the_cache_is_used_once_before_the_deadline_of_a_request_begins(failing, configure):
    configure(SHARED_CACHE="failing")
    process_state()
    assert FailingCache.calls == 1


def test_a_failure_is_logged_once(failing, caplog):
    for _ in range(100):
        failing._retry_at = 0
        failing.get(KEY)
    assert ["fails" in message for message in caplog.messages] == [True]
