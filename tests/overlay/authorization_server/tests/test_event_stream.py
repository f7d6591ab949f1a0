"""What a process keeps of the events, and how a receiver goes on after a position."""

import msgspec
import pytest
from client_registry.manifests import resource_servers
from revocation_events import stream as module
from revocation_events.models import Event
from revocation_events.raising import raise_event
from revocation_events.stream import Position, Stream

pytestmark = pytest.mark.django_db


@pytest.fixture
def started():
    """Return a function that returns a stream which has read the table, as after a start."""

    def started():
        stream = Stream()
        stream.read()
        return stream

    return started


@pytest.fixture
def stream(started):
    return started()


def kill(*tokens, names=("orders",)):
    for token in tokens:
        raise_event(Event.Kind.TOKEN, token, list(names))


def position_of(stream):
    return stream.news(None, "orders", 10).position


def values(news):
    return [event.value for event in news.events]


def test_the_first_request_begins_anew(stream):
    kill("a")
    news = stream.news(None, "orders", 10)
    assert (news.reset, news.events) == (True, [])


def test_an_event_is_delivered_once(stream):
    position = position_of(stream)
    kill("a")
    stream.read()
    news = stream.news(position, "orders", 10)
    assert (values(news), news.reset) == (["a"], False)
    stream.read()
    assert values(stream.news(news.position, "orders", 10)) == []


def test_an_event_of_another_resource_server_is_not_delivered(stream):
    position = position_of(stream)
    kill("a", names=["inventory"])
    kill("b")
    stream.read()
    assert values(stream.news(position, "orders", 10)) == ["b"]


def test_more_events_than_the_limit_come_in_parts(stream):
    position = position_of(stream)
    kill("a", "b", "c")
    stream.read()
    first = stream.news(position, "orders", 2)
    rest = stream.news(first.position, "orders", 2)
    assert [(values(first), first.more), (values(rest), rest.more)] == [
        (["a", "b"], True),
        (["c"], False),
    ]


def test_another_process_goes_on(stream, started):
    position = position_of(stream)
    kill("a")
    assert values(started().news(position, "orders", 10)) == ["a"]


def test_another_process_repeats_what_was_delivered_in_part_only(stream, started):
    position = position_of(stream)
    kill("a", "b")
    stream.read()
    part = stream.news(position, "orders", 1)
    assert values(started().news(part.position, "orders", 10)) == ["a", "b"]


def test_a_position_of_another_database_begins_anew(stream):
    position = position_of(stream)._replace(epoch="another")
    assert stream.news(position, "orders", 10).reset


@pytest.mark.parametrize(
    "change", [{"scopes": {"orders:read": "Read"}}, {"audience": "https://other.example.com"}]
)
def test_a_manifest_that_lost_something_begins_anew(stream, monkeypatch, change):
    """Answers from before may have the scope or the audience."""
    positions = {name: stream.news(None, name, 10).position for name in ("orders", "inventory")}
    servers = dict(resource_servers())
    servers["orders"] = msgspec.structs.replace(servers["orders"], **change)
    monkeypatch.setattr(module, "resource_servers", lambda: servers)
    assert [stream.news(position, name, 10).reset for name, position in positions.items()] == [
        True,
        False,
    ]


def test_a_position_from_the_future_begins_anew(stream):
    """As after a restore of an older database."""
    position = position_of(stream)
    position = position._replace(process="another", horizon=position.horizon + 100_000)
    assert stream.news(position, "orders", 10).reset


def test_a_receiver_that_is_too_far_behind_begins_anew(stream, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 2)
    position = position_of(stream)
    kill("a", "b", "c")
    stream.read()
    assert stream.news(position, "orders", 10).reset


@pytest.mark.parametrize("text", ["", "x", "a.b.c.d", "a.b.1", "a.b.1.²", "a.b.1.2.3", "a" * 1000])
def test_what_is_no_position_is_none(text):
    assert Position.parse(text) is None


def test_a_position_is_read_as_it_was_written(stream):
    position = position_of(stream)
    assert Position.parse(str(position)) == position
