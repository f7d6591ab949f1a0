"""`InvalidTokenRateLimit` bounds the introspection requests of one address; `clock` is the time."""

from types import SimpleNamespace

import pytest
from cachetools import LRUCache
from oauth_resource_server import TooManyInvalidTokens
from oauth_resource_server.resilience.rate_limit import InvalidTokenRateLimit, client_address


@pytest.fixture
def clock():
    return SimpleNamespace(now=1_000.0)


@pytest.fixture
def limit(clock):
    return InvalidTokenRateLimit(rate=10, burst=20, timer=lambda: clock.now)


@pytest.fixture
def charged(limit):
    """Return a function: charge an address some times; how many charges were accepted."""

    def charged(address, times):
        accepted = 0
        for _ in range(times):
            try:
                limit.charge(address)
                accepted += 1
            except TooManyInvalidTokens:
                pass
        return accepted

    return charged


def test_a_burst_is_accepted(charged):
    assert charged("a", 30) == 20


def test_then_a_bounded_number_per_second_is_accepted(charged, clock):
    charged("a", 30)
    clock.now += 1
    assert charged("a", 30) == 10


def test_200_invalid_tokens_a_second_are_at_most_20_requests_a_second(charged, clock):
    accepted = 0
    for _ in range(2_000):
        accepted += charged("a", 1)
        clock.now += 1 / 200
    assert accepted <= 20 * 10


def test_the_bucket_is_full_again_after_a_while(charged, clock):
    charged("a", 30)
    clock.now += 2
    assert charged("a", 30) == 20


def test_addresses_have_separate_buckets(charged):
    charged("a", 30)
    assert charged("b", 30) == 20


def test_a_refund_undoes_a_charge(charged, limit):
    charged("a", 20)
    limit.refund("a")
    assert charged("a", 30) == 1


def test_a_refund_to_an_unknown_address_changes_nothing(charged, limit):
    limit.refund("a")
    assert charged("a", 30) == 20


def test_a_check_charges_nothing(charged, limit):
    for _ in range(100):
        limit.check("a")
    assert charged("a", 30) == 20


def test_a_check_fails_when_the_bucket_is_empty(charged, limit):
    charged("a", 20)
    with pytest.raises(TooManyInvalidTokens):
        limit.check("a")


def test_the_error_has_the_seconds_to_wait(charged, limit):
    charged("a", 20)
    with pytest.raises(TooManyInvalidTokens) as raised:
        limit.check("a")
    assert raised.value.retry_after == 1


def test_the_number_of_addresses_is_bounded(charged, limit):
    limit._full_at = LRUCache(10)
    for number in range(100):
        charged(f"{number}", 1)
    assert len(limit._full_at) == 10


def test_the_log_has_one_line_per_minute(charged, clock, caplog):
    for _ in range(3):
        charged("a", 500)
        charged("b", 500)
        clock.now += 31
    assert len(caplog.messages) == 2


# The reserve. All senders are behind one address.


def sends(limit, token, browser="Firefox"):
    """Return the sender of `token`, and let the limit count it; it may raise."""
    sender = limit.sender({"REMOTE_ADDR": "1.2.3.4", "HTTP_USER_AGENT": browser}, token)
    limit.charge(sender.bucket)
    return sender


def exhaust(limit, token, browser="Firefox"):
    """Send invalid tokens until the limit refuses one; return their number."""
    for number in range(1000):
        try:
            sends(limit, token, browser)
        except TooManyInvalidTokens:
            return number
    raise AssertionError("the limit refuses nothing")


def test_a_sender_of_valid_tokens_keeps_a_reserve_beside_a_sender_of_garbage(limit):
    limit.accept(sends(limit, "valid"))
    exhaust(limit, "x" * 6000)
    for _ in range(100):
        limit.accept(sends(limit, "other"))


@pytest.mark.parametrize(("token", "browser"), [("x" * 6000, "Firefox"), ("guess", "curl")])
def test_other_tokens_and_programs_do_not_use_it(limit, token, browser):
    limit.accept(sends(limit, "valid"))
    exhaust(limit, "garbage")
    assert exhaust(limit, token, browser) == 0


def test_the_reserve_is_bounded(limit):
    limit.accept(sends(limit, "valid"))
    assert exhaust(limit, "guess") == 20


def test_all_senders_of_valid_tokens_have_one_reserve(limit):
    for browser in ("Firefox", "Chrome"):
        limit.accept(sends(limit, "valid", browser))
    assert [exhaust(limit, "guess", browser) for browser in ("Firefox", "Chrome")] == [20, 0]


def test_jwts_of_any_length_are_of_one_form(limit):
    limit.accept(sends(limit, "a.b.c"))
    exhaust(limit, "x" * 6000)
    limit.accept(sends(limit, "aa.bb.cc"))


def test_the_reserve_ends(limit, clock):
    limit.accept(sends(limit, "valid"))
    clock.now += 3600
    exhaust(limit, "x" * 6000)
    with pytest.raises(TooManyInvalidTokens):
        sends(limit, "other")


# Client addresses.


def meta(address, forwarded=None):
    return {"REMOTE_ADDR": address} | (
        {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded is not None else {}
    )


@pytest.mark.parametrize("forwarded", [None, "", "1.2.3.4"])
def test_a_forwarded_address_is_ignored_by_default(forwarded):
    assert client_address(meta("10.0.0.1", forwarded)) == "10.0.0.1"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        (3, "1.2.3.4", "1.2.3.4"),
        (1, None, "10.0.0.1"),
        (1, "6.6.6.6, 1.2.3.4:4001", "1.2.3.4"),
        (1, "[2001:db8::1]:443", "2001:0db8:0000:0000"),
        (1, "[2001:db8::1]", "2001:0db8:0000:0000"),
        (1, "2001:db8::2", "2001:0db8:0000:0000"),
    ],
)
def test_a_forwarded_address_counts_behind_a_configured_proxy(
    settings, proxies, forwarded, address
):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": proxies}
    assert client_address(meta("10.0.0.1", forwarded)) == address


def test_a_64_bit_network_of_ipv6_is_one_address():
    addresses = {client_address(meta(f"2001:db8:1:2::{number}")) for number in (1, 2, 3)}
    assert addresses == {"2001:0db8:0001:0002"}


@pytest.mark.parametrize("address", ["::ffff:1.2.3.4", "::FFFF:102:304"])
def test_a_mapped_ipv4_address_is_that_address(address):
    assert client_address(meta(address)) == "1.2.3.4"


@pytest.mark.parametrize("address", ["", "un:kno:wn", "x" * 999])
def test_a_string_that_is_not_an_address_is_cut_off(address):
    assert client_address(meta(address)) == address[:45]


def test_a_request_may_have_no_address():
    assert client_address({}) == ""
