"""`CircuitBreaker` stops requests after outages; `clock` is the time."""

from types import SimpleNamespace

import pytest
from oauth_resource_server import (
    AuthorizationServerSkipped,
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    IntrospectionResponseInvalid,
    TokenValidationError,
    metrics,
)
from oauth_resource_server.resilience.circuit_breaker import CircuitBreaker


@pytest.fixture
def clock():
    return SimpleNamespace(now=1_000.0)


@pytest.fixture
def server(clock):
    """The server behind the breaker: raises `error` if it is set; `asked` counts the requests."""
    server = SimpleNamespace(error=None, asked=0)
    breaker = CircuitBreaker(outages=3, max_delay=2, url="https://as/", timer=lambda: clock.now)

    def answer():
        server.asked += 1
        if server.error:
            raise server.error
        return "answer"

    def ask():
        try:
            return breaker(answer)
        except (TokenValidationError, SystemExit) as error:
            return type(error)

    server.ask = ask
    server.breaker = breaker
    return server


@pytest.fixture
def open_breaker(server):
    """A breaker that has just opened."""
    server.error = AuthorizationServerUnavailable("down")
    for _ in range(3):
        server.ask()
    server.asked = 0


def test_an_answer_is_returned(server):
    assert server.ask() == "answer"


def test_it_opens_after_as_many_outages_as_configured(server):
    server.error = AuthorizationServerUnavailable("down")
    kinds = [server.ask() for _ in range(5)]
    assert (kinds, server.asked) == (
        [AuthorizationServerUnavailable] * 3 + [AuthorizationServerSkipped] * 2,
        3,
    )


def test_an_answer_resets_the_count_of_outages(server):
    for error in (True, True, False) * 3:
        server.error = AuthorizationServerUnavailable("down") if error else None
        server.ask()
    assert server.asked == 9


@pytest.mark.parametrize("kind", [IntrospectionCredentialsRefused, IntrospectionResponseInvalid])
def test_a_refusal_does_not_open_it(server, kind):
    server.error = kind("no")
    assert ([server.ask() for _ in range(9)], server.asked) == ([kind] * 9, 9)


def test_no_request_is_made_while_it_is_open(server, open_breaker):
    assert (server.ask(), server.asked) == (AuthorizationServerSkipped, 0)


def test_the_error_has_the_seconds_until_the_next_probe(server, open_breaker):
    with pytest.raises(AuthorizationServerSkipped) as raised:
        server.breaker(lambda: None)
    assert (raised.value.retry_after, raised.value.url) == (1, "https://as/")


def test_it_closes_when_the_probe_is_answered(server, open_breaker, clock):
    server.error = None
    clock.now += 0.25
    assert [server.ask(), server.ask()] == ["answer", "answer"]


@pytest.mark.parametrize("kind", [IntrospectionCredentialsRefused, IntrospectionResponseInvalid])
def test_a_refusal_closes_it_too(server, open_breaker, clock, kind):
    server.error = kind("no")
    clock.now += 0.25
    assert [server.ask(), server.ask()] == [kind, kind]


def test_it_stays_open_if_the_probe_is_not_answered(server, open_breaker, clock):
    clock.now += 0.25
    assert [server.ask(), server.ask()] == [
        AuthorizationServerUnavailable,
        AuthorizationServerSkipped,
    ]


def test_the_delay_doubles_up_to_its_bound(server, open_breaker, clock):
    delays = []
    for _ in range(6):
        begin = clock.now
        while server.ask() is AuthorizationServerSkipped:
            clock.now += 0.125
        delays.append(clock.now - begin)
    assert delays == [0.25, 0.5, 1, 2, 2, 2]


def test_there_is_one_probe_at_a_time(server, open_breaker, clock):
    clock.now += 0.25
    assert server.breaker(server.ask) is AuthorizationServerSkipped


def test_a_probe_that_is_interrupted_allows_the_next_one(server, open_breaker, clock):
    clock.now += 0.25
    server.error = SystemExit()
    server.ask()
    server.error = None
    assert server.ask() == "answer"


def test_an_outage_of_an_older_request_does_not_extend_the_delay(server, clock):
    def late():
        server.error = AuthorizationServerUnavailable("down")
        for _ in range(3):
            server.ask()
        raise server.error

    with pytest.raises(AuthorizationServerUnavailable):
        server.breaker(late)
    server.error = None
    clock.now += 0.25
    assert server.ask() == "answer"


def test_opening_and_closing_are_one_log_line_each(server, clock, caplog):
    server.error = AuthorizationServerUnavailable("down")
    for _ in range(9):
        server.ask()
    server.error = None
    clock.now += 0.25
    for _ in range(9):
        server.ask()
    assert [message.split()[5] for message in caplog.messages] == ["opens:", "closes."]


def test_the_state_is_a_metric(server, clock):
    states = []
    for error, delay in ((True, 0), (True, 0), (True, 0), (False, 1)):
        server.error = AuthorizationServerUnavailable("down") if error else None
        clock.now += delay
        server.ask()
        states.append(metrics.breaker_state.labels("")._value.get())
    assert states[2:] == [metrics.OPEN, metrics.CLOSED]
