"""The line for a thread and the pool, without a server."""

import asyncio
import threading

import pytest
from service_kit import wsgi_bridge
from service_kit.wsgi_bridge import (
    BEAT_SECONDS,
    HOLD_SECONDS,
    PACE_SECONDS,
    Client,
    ClientGone,
    Line,
    Refused,
    Threads,
    WSGIBridge,
    read_body,
)


async def never():
    """Return nothing: the client stays."""
    await asyncio.Event().wait()


def line(length=10):
    return Line(places=1, length=length, seconds=60)


async def settled():
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_place_that_becomes_free_goes_to_the_first_of_the_line():
    async def scenario():
        places, order = line(), []
        await places.enter(Client(never))

        async def wait(name):
            await places.enter(Client(never))
            order.append(name)
            places.leave()

        tasks = [asyncio.ensure_future(wait(name)) for name in "abc"]
        await settled()
        places.leave()
        await asyncio.gather(*tasks)
        assert (order, places.free) == (["a", "b", "c"], 1)

    asyncio.run(scenario())


def test_a_request_that_is_cancelled_in_the_line_leaves_it():
    async def scenario():
        places = line()
        await places.enter(Client(never))
        task = asyncio.ensure_future(places.enter(Client(never)))
        await settled()
        task.cancel()
        await settled()
        assert places.turns == {}
        places.leave()
        assert places.free == 1

    asyncio.run(scenario())


def test_a_turn_that_comes_in_the_moment_of_a_cancellation_is_handed_on():
    async def scenario():
        places = line()
        await places.enter(Client(never))
        task = asyncio.ensure_future(places.enter(Client(never)))
        await settled()
        places.leave()  # it is the turn of the task, which has not run yet
        task.cancel()
        await settled()
        assert (task.cancelled(), places.free) == (True, 1)

    asyncio.run(scenario())


def test_a_line_has_a_maximum_length():
    async def scenario():
        places = line(length=0)
        await places.enter(Client(never))
        with pytest.raises(Refused) as refused:
            await places.enter(Client(never))
        assert refused.value.status == 503

    asyncio.run(scenario())


def test_a_client_that_hangs_up_leaves_the_line():
    async def scenario():
        places = line()
        await places.enter(Client(never))

        async def gone():
            return {"type": "http.disconnect"}

        with pytest.raises(ClientGone):
            await places.enter(Client(gone))
        assert places.turns == {}

    asyncio.run(scenario())


def test_a_thread_that_works_for_a_cancelled_request_is_busy():
    async def scenario():
        threads, ended = Threads(1), []
        working, go_on = threading.Event(), threading.Event()

        def work():
            working.set()
            go_on.wait(60)

        future = threads.submit(work, lambda: ended.append("first"))
        await asyncio.to_thread(working.wait, 60)
        future.cancel()
        await settled()
        assert ended == []
        go_on.set()
        await threads.submit(lambda: None)
        assert ended == ["first"]

    asyncio.run(scenario())


def test_a_job_that_is_cancelled_before_its_turn_is_skipped():
    async def scenario():
        threads, done, go_on = Threads(1), [], threading.Event()
        threads.submit(lambda: go_on.wait(60))
        threads.submit(lambda: done.append("skipped")).cancel()
        go_on.set()
        await threads.submit(lambda: done.append("last"))
        assert done == ["last"]

    asyncio.run(scenario())


def test_threads_are_started_on_demand():
    async def scenario():
        threads, others = Threads(50), set(threading.enumerate())
        for _ in range(5):
            await threads.submit(lambda: None)
        assert len(set(threading.enumerate()) - others) == 1

    asyncio.run(scenario())


def test_a_body_that_ends_early_is_not_returned():
    async def receive():
        return {"type": "http.request", "body": b"five5"}

    scope = {"headers": [(b"content-length", b"50")]}
    with pytest.raises(ClientGone):
        asyncio.run(read_body(scope, receive, 100, 60))


@pytest.fixture
def waits(monkeypatch):
    """The seconds that requests wait, which take no time: the clock stands still."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(wsgi_bridge, "monotonic", lambda: 100.0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waits


def held(path, requests, receive=never):
    """Return the statuses of some requests to a bridge that holds requests to /held."""
    statuses = []

    def application(environ, start_response):
        start_response("200 OK", [])
        return [b""]

    async def send(message):
        statuses.append(message.get("status"))

    async def scenario():
        bridge = WSGIBridge(
            application,
            threads=1,
            max_body=0,
            is_held_up=lambda environ: environ["PATH_INFO"] == "/held",
        )
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        for _ in range(requests):
            await bridge(scope | {"http_version": "1.1", "scheme": "http"}, receive, send)

    asyncio.run(scenario())
    return [status for status in statuses if status]


def test_requests_that_are_held_up_take_turns_together(waits):
    for_one_beat = int(BEAT_SECONDS / PACE_SECONDS)
    assert held("/held", for_one_beat + 2) == [200] * (for_one_beat + 2)
    assert waits == pytest.approx([BEAT_SECONDS] * for_one_beat + [2 * BEAT_SECONDS])


def test_no_request_is_held_up_for_longer(waits):
    held("/held", 100)
    assert max(waits) <= HOLD_SECONDS + BEAT_SECONDS


def test_a_request_that_is_not_held_up_waits_for_none(waits):
    assert (held("/other", 3), waits) == ([200, 200, 200], [])


def test_a_request_that_is_held_up_is_not_run_without_its_client(monkeypatch):
    async def gone():
        return {"type": "http.disconnect"}

    monkeypatch.setattr(wsgi_bridge, "monotonic", lambda: 100.0)
    assert held("/held", 2, gone) == [200]
