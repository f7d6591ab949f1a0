"""Polls of resource servers, in an event loop, with credentials that a test decides about."""

import asyncio
import json
import time

import pytest
from client_registry.hashers import MachineSecretHasher
from django.utils import timezone
from introspection.protocol import Row
from prometheus_client import REGISTRY
from revocation_events import endpoint as module
from revocation_events.endpoint import Events
from revocation_events.models import Event
from revocation_events.stream import READY_SECONDS, Entry, Stream
from tests.flows import basic

SECRET = "the-secret-of-orders"


class KnownStream(Stream):
    """A stream whose events a test appends; it reads no table."""

    def __init__(self):
        super().__init__()
        self.epoch, self.read_at = "test", float("inf")

    def start(self):
        pass

    def add(self, *values, name="orders"):
        for value in values:
            self.number += 1
            self.kept.append(
                Entry(self.number, 1, Event.Kind.TOKEN, value, (name,), timezone.now())
            )
        self.wake()


class Introspection:
    """Looks callers up: orders has SECRET, and no other caller is known."""

    lookups = 0

    async def look_up(self, question):
        self.lookups += 1
        stored = MachineSecretHasher().encode(SECRET, "salt")
        is_orders = question.credentials.key == "orders-introspection"
        return Row(stored, "orders", *[None] * 9) if is_orders else None


@pytest.fixture
def stream():
    return KnownStream()


@pytest.fixture
def events(stream):
    return Events(stream, Introspection())


async def poll(events, secret=SECRET, **members):
    """Return status and JSON of the response to a poll."""
    body = json.dumps(members).encode()
    headers = {"Host": "testserver", "Content-Type": "application/json"}
    headers |= {"Content-Length": str(len(body))} | basic("orders-introspection", secret)
    scope = {
        "type": "http",
        "method": "POST",
        "path": module.PATH,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    received, sent = [{"type": "http.request", "body": body}], []

    async def receive():
        return received.pop(0) if received else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await events(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def until_it_waits(events):
    while not events.polls["orders"]:
        await asyncio.sleep(0)


async def position_of(events):
    return (await poll(events))[1]["position"]


def test_a_poll_waits_for_the_next_event(events, stream):
    async def run():
        position = await position_of(events)
        waiting = asyncio.ensure_future(poll(events, position=position))
        await until_it_waits(events)
        stream.add("a")
        return await waiting

    status, answer = asyncio.run(run())
    assert (status, answer["tokens"], answer["reset"]) == (200, ["a"], False)


def test_a_burst_is_one_answer(events, stream):
    async def run():
        position = await position_of(events)
        stream.add(*map(str, range(1000)))
        return await poll(events, position=position)

    _, answer = asyncio.run(run())
    assert (len(answer["tokens"]), answer["moreAvailable"]) == (1000, False)


def test_delivered_events_are_counted(events, stream):
    labels = {"resource_server": "orders"}
    name = "authorization_server_revocation_events_delivered_total"
    before = REGISTRY.get_sample_value(name, labels) or 0

    async def run():
        position = await position_of(events)
        stream.add("a", "b")
        await poll(events, position=position)

    asyncio.run(run())
    assert REGISTRY.get_sample_value(name, labels) - before == 2


def test_a_slow_reader_gets_everything_in_parts(events, stream):
    async def run():
        position, found = await position_of(events), []
        stream.add(*map(str, range(2500)))
        more = True
        while more:
            _, answer = await poll(events, position=position)
            position, more = answer["position"], answer["moreAvailable"]
            found += answer["tokens"]
        return found

    assert asyncio.run(run()) == list(map(str, range(2500)))


def test_a_poll_that_waits_is_answered_when_the_process_stops(events, stream):
    async def run():
        position = await position_of(events)
        waiting = asyncio.ensure_future(poll(events, position=position))
        await until_it_waits(events)
        events.stop()
        return await waiting

    status, answer = asyncio.run(run())
    assert (status, answer["tokens"]) == (200, [])


def test_too_many_polls_are_refused(events, stream, monkeypatch):
    monkeypatch.setattr(module, "MAX_POLLS", 1)

    async def run():
        position = await position_of(events)
        waiting = asyncio.ensure_future(poll(events, position=position))
        await until_it_waits(events)
        refused = await poll(events, position=position)
        stream.add("a")
        return refused, await waiting

    (status, _), (first, _) = asyncio.run(run())
    assert (status, first) == (429, 200)


def test_credentials_are_looked_up_once_in_a_while(stream):
    introspection = Introspection()
    events = Events(stream, introspection)

    async def run():
        for _ in range(3):
            await poll(events)

    asyncio.run(run())
    assert introspection.lookups == 1


def test_a_wrong_secret_is_refused_although_the_right_one_was_accepted(events):
    async def run():
        await poll(events)
        return await poll(events, secret="wrong")

    assert asyncio.run(run())[0] == 401


@pytest.mark.parametrize("ago", [float("inf"), READY_SECONDS])
def test_without_a_look_at_the_table_the_answer_is_503(events, stream, monkeypatch, ago):
    """Before the first look, and while the database is away, an answer could miss events."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    stream.read_at = time.monotonic() - ago
    assert asyncio.run(poll(events))[0] == 503


def test_a_refused_poll_is_an_event(events, caplog):
    assert asyncio.run(poll(events, secret="wrong"))[0] == 401
    (line,) = [record.msg for record in caplog.records if record.name == "security"]
    assert (line["event"], line["outcome"]) == ("introspection-refused", "invalid_client")
    assert (line["client_id"], line["endpoint"]) == ("orders-introspection", module.PATH)
