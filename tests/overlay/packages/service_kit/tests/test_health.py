"""`/health/live` says that the process runs, `/health/ready` that it can do its work."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from asgiref.current_thread_executor import CurrentThreadExecutor
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from service_kit import health

STATES = {}


def check():
    """Return the states that a test asks for."""
    return STATES


class ThisThread:
    """Checks run in the thread of a test, whose transaction its own connection sees."""

    def submit(self, function):
        return asyncio.wrap_future(self.executor.submit(function))

    def run(self, coroutine):
        self.executor = CurrentThreadExecutor(None)
        with ThreadPoolExecutor(1) as loop:
            result = loop.submit(asyncio.run, coroutine)
            self.executor.run_until_future(result)
        return result.result()


async def ask(service, path=health.READY, method="GET", **fields):
    """Return status, headers and body of a response."""
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    await service({"type": "http", "method": method, "path": path, "headers": headers}, None, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.fixture
def threads():
    return ThisThread()


@pytest.fixture
def service(settings, threads):
    settings.HEALTH_CHECKS = [f"{__name__}.check"]
    return health.Health(threads, threads=threads)


@pytest.fixture
def ready(service, threads, db, monkeypatch):
    """Return a function that asks a service for its states, and returns status and JSON."""

    def ready(**states):
        monkeypatch.setattr(f"{__name__}.STATES", states)
        status, _, body = threads.run(ask(service))
        return status, json.loads(body)

    return ready


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose one entry is the time in seconds."""
    now = [1000.0]
    monkeypatch.setattr(health, "monotonic", lambda: now[0])
    return now


def test_a_process_is_alive_without_its_database(service):
    status, _, body = asyncio.run(ask(service, health.LIVE))
    assert (status, json.loads(body)) == (200, {"status": "ok"})


@pytest.mark.parametrize("state", ["ok", "unreachable"])
def test_a_service_is_ready_while_its_checks_pass(ready, state):
    assert ready(cache=state) == (200, {"status": "ok", "database": "ok", "cache": state})


def test_a_service_is_not_ready_when_a_check_fails(ready):
    expected = {"status": "not ready", "database": "ok", "cache": "refuses the password"}
    assert ready(cache="refuses the password") == (503, expected)


@pytest.fixture
def starting(service, clock):
    """Return a service that has started now, and waits 20 seconds for its dependencies."""
    service.patient_until = clock[0] + 20
    return service


def test_a_service_that_starts_is_not_ready_while_a_dependency_was_never_reached(
    starting, ready, clock
):
    assert ready(issuer="unreachable")[0] == 503
    clock[0] += 20
    assert ready(issuer="unreachable")[0] == 200


def test_a_service_that_has_reached_its_dependencies_waits_no_longer(starting, ready, clock):
    assert ready(issuer="ok")[0] == 200
    clock[0] += health.CACHE_SECONDS
    assert ready(issuer="unreachable")[0] == 200


def test_a_service_is_not_ready_without_its_database(ready):
    def refuse(*arguments):
        raise DatabaseError("hidden")

    with connection.execute_wrapper(refuse):
        assert ready() == (503, {"status": "not ready", "database": "does not answer"})


def test_a_service_is_not_ready_while_a_migration_is_missing(ready):
    MigrationRecorder.Migration.objects.filter(app="contenttypes").delete()
    assert ready() == (503, {"status": "not ready", "database": "lacks migrations"})


def test_every_host_is_answered_and_no_answer_is_stored(service):
    status, headers, _ = asyncio.run(ask(service, health.LIVE, host="10.42.8.201:8000"))
    assert (status, headers[b"cache-control"]) == (200, b"no-store")


@pytest.mark.parametrize("path", [health.LIVE, health.READY])
def test_health_can_only_be_read(service, path):
    status, headers, _ = asyncio.run(ask(service, path, "POST"))
    assert (status, headers[b"allow"]) == (405, b"GET, HEAD")


def test_the_answer_to_head_has_no_body(service):
    status, headers, body = asyncio.run(ask(service, health.LIVE, "HEAD"))
    assert (status, headers[b"content-length"], body) == (200, b"16", b"")


def test_states_are_kept_for_some_seconds(ready, clock):
    ready(cache="ok")
    clock[0] += health.CACHE_SECONDS - 1
    assert ready(cache="fails")[0] == 200
    clock[0] += 1
    assert ready(cache="fails")[0] == 503


def test_a_cached_answer_costs_no_query(ready, clock, django_assert_num_queries):
    ready()
    with django_assert_num_queries(0):
        ready()


def test_the_migration_plan_is_made_until_no_migration_is_missing(ready, clock, monkeypatch):
    plans = []
    plan = MigrationExecutor.migration_plan

    def counted(*arguments):
        plans.append(arguments)
        return plan(*arguments) if len(plans) > 1 else ["missing"]

    monkeypatch.setattr(MigrationExecutor, "migration_plan", counted)
    statuses = []
    for _ in range(5):
        statuses.append(ready()[0])
        clock[0] += health.CACHE_SECONDS
    assert (statuses, len(plans)) == ([503, 200, 200, 200, 200], 2)


def states_of(*checks):
    """Return the cached states of functions, which run in threads."""

    def in_thread(check):
        return lambda: asyncio.to_thread(check)

    return health.CachedStates([in_thread(check) for check in checks])


def test_a_slow_check_delays_one_request_only(clock):
    finish = Event()
    calls = []

    def slow():
        calls.append(1)
        if len(calls) > 1:
            finish.wait(60)
        return {"cache": f"answer {len(calls)}"}

    async def test():
        states = states_of(slow)
        await states()
        clock[0] += health.CACHE_SECONDS
        delayed = asyncio.ensure_future(states())
        await asyncio.sleep(0)
        assert await states() == {"cache": "answer 1"}
        finish.set()
        assert await delayed == {"cache": "answer 2"}

    asyncio.run(test())


def test_a_check_that_does_not_end_is_not_ok(monkeypatch):
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    finish = Event()

    async def test():
        states = await states_of(lambda: finish.wait(60))()
        finish.set()
        return states

    assert asyncio.run(test()) == {"checks": "take too long"}


def test_a_check_that_fails_is_not_ok(caplog):
    states = asyncio.run(states_of(lambda: 1 / 0)())
    assert (states, "ZeroDivisionError" in caplog.text) == (
        {"checks": "fail; see the log of this service"},
        True,
    )


def test_checks_of_a_service_are_added(db, threads):
    async def other():
        return {"other": "is missing"}

    status, _, body = threads.run(ask(health.Health(threads, other, threads=threads)))
    assert (status, json.loads(body)["other"]) == (503, "is missing")
