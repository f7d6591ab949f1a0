"""`InvalidTokenRateLimit` bounds how many inactive tokens of one address are asked about."""

from types import SimpleNamespace

import pytest
from oauth_resource_server import TooManyInvalidTokens
from oauth_resource_server.resilience import rate_limit as garbage
from oauth_resource_server.resilience.rate_limit import InvalidTokenRateLimit, client_address


@pytest.fixture
def clock():
    return SimpleNamespace(now=1_000.0)


@pytest.fixture
def bring(clock):
    """Return a function: an address brings tokens; how many were asked about."""
    limit = InvalidTokenRateLimit(rate=10, burst=20, timer=lambda: clock.now)

    def bring(address, number, answer=None):
        asked = []

        def ask():
            asked.append(address)
            if isinstance(answer, Exception):
                raise answer
            return answer

        for _ in range(number):
            try:
                limit(address, ask)
            except (TooManyInvalidTokens, ValueError) as error:
                bring.error = error
        return len(asked)

    return bring


def test_a_burst_is_asked_about(bring):
    assert bring("a", 30) == 20


def test_then_a_bounded_number_a_second(bring, clock):
    bring("a", 30)
    clock.now += 1
    assert bring("a", 30) == 10


def test_200_a_second_are_at_most_20_introspections_a_second(bring, clock):
    asked = 0
    for _ in range(2_000):
        asked += bring("a", 1)
        clock.now += 1 / 200
    assert asked <= 20 * 10


def test_the_bucket_is_full_again_after_a_while(bring, clock):
    bring("a", 30)
    clock.now += 2
    assert bring("a", 30) == 20


def test_an_address_does_not_pay_for_another(bring):
    bring("a", 30)
    assert bring("b", 20) == 20


def test_good_tokens_cost_nothing(bring):
    assert bring("a", 1_000, answer="token") == 1_000


def test_outages_cost_nothing(bring):
    assert bring("a", 1_000, answer=ValueError("down")) == 1_000


def test_a_good_token_waits_for_the_garbage_of_its_address(bring):
    bring("a", 30)
    assert bring("a", 1, answer="token") == 0


def test_the_error_says_when_to_come_again(bring):
    bring("a", 30)
    assert bring.error.retry_after == 1


def test_many_at_once_cannot_overdraw(clock):
    limit = InvalidTokenRateLimit(rate=1, burst=2, timer=lambda: clock.now)

    def nested(depth):
        return limit("a", lambda: nested(depth - 1) if depth else None)

    with pytest.raises(TooManyInvalidTokens):
        nested(2)


def test_addresses_are_bounded(clock, monkeypatch):
    monkeypatch.setattr(garbage, "MAX_ADDRESSES", 10)
    limit = InvalidTokenRateLimit(timer=lambda: clock.now)
    for number in range(100):
        limit(f"{number}", lambda: None)
    assert len(limit._full_at) == 10


def test_the_log_says_so_once_a_minute(bring, clock, caplog):
    for _ in range(3):
        bring("a", 500)
        bring("b", 500)
        clock.now += 31
    assert len(caplog.messages) == 2


# Whose address it is.


def meta(address, forwarded=None):
    return {"REMOTE_ADDR": address} | (
        {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded is not None else {}
    )


@pytest.mark.parametrize("forwarded", [None, "", "1.2.3.4"])
def test_a_header_is_not_believed(forwarded):
    assert client_address(meta("10.0.0.1", forwarded)) == "10.0.0.1"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        (3, "1.2.3.4", "1.2.3.4"),
        (1, None, "10.0.0.1"),
    ],
)
def test_a_proxy_is_believed_where_it_is_counted(settings, proxies, forwarded, address):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": proxies}
    assert client_address(meta("10.0.0.1", forwarded)) == address


def test_a_network_of_ipv6_is_one_address():
    addresses = {client_address(meta(f"2001:db8:1:2::{number}")) for number in (1, 2, 3)}
    assert addresses == {"2001:0db8:0001:0002"}


def test_an_ipv4_address_in_ipv6_is_one_of_its_own():
    assert client_address(meta("::ffff:1.2.3.4")) != client_address(meta("::ffff:1.2.3.5"))


@pytest.mark.parametrize("address", ["", "unix:", "x" * 999])
def test_what_is_no_address_will_do(address):
    assert client_address(meta(address)) == address[:45]


def test_there_may_be_none():
    assert client_address({}) == ""
