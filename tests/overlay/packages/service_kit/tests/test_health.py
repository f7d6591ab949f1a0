"""`/health/live` says that the process runs, `/health/ready` that it can do its work."""

from threading import Event, Thread

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from service_kit import health

LIVE, READY = "/health/live", "/health/ready"
STATES = {}


def check():
    """Return the states that a test asks for."""
    return STATES


@pytest.fixture
def ready(client, db, settings, monkeypatch):
    """Return a function that asks a service for its states, and returns status and JSON."""
    settings.HEALTH_CHECKS = [f"{__name__}.check"]

    def ready(**states):
        monkeypatch.setattr(f"{__name__}.STATES", states)
        response = client.get(READY)
        return response.status_code, response.json()

    return ready


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose one entry is the time in seconds."""
    now = [1000.0]
    monkeypatch.setattr(health, "monotonic", lambda: now[0])
    return now


def test_a_process_is_alive_without_its_database(client):
    assert client.get(LIVE).json() == {"status": "ok"}


@pytest.mark.parametrize("state", ["ok", "unreachable"])
def test_a_service_is_ready_while_its_checks_pass(ready, state):
    assert ready(cache=state) == (200, {"status": "ok", "database": "ok", "cache": state})


def test_a_service_is_not_ready_when_a_check_fails(ready):
    expected = {"status": "not ready", "database": "ok", "cache": "refuses the password"}
    assert ready(cache="refuses the password") == (503, expected)


def test_a_service_is_not_ready_without_its_database(ready):
    def refuse(*arguments):
        raise DatabaseError("hidden")

    with connection.execute_wrapper(refuse):
        assert ready() == (503, {"status": "not ready", "database": "does not answer"})


def test_a_service_is_not_ready_while_a_migration_is_missing(ready):
    MigrationRecorder.Migration.objects.filter(app="contenttypes").delete()
    assert ready() == (503, {"status": "not ready", "database": "lacks migrations"})


@pytest.mark.parametrize("path", [LIVE, READY])
def test_every_host_is_answered_without_a_redirect(client, db, path):
    response = client.get(path, headers={"Host": "10.42.8.201:8000"})
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")


def test_other_addresses_still_check_the_host(client):
    assert client.get("/", secure=True, headers={"Host": "10.42.8.201"}).status_code == 400


@pytest.mark.parametrize("path", [LIVE, READY])
def test_health_can_only_be_read(client, path):
    assert client.post(path).status_code == 405


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


def test_a_slow_check_blocks_one_request_only(clock):
    started, finish = Event(), Event()
    calls = []

    def slow():
        calls.append(1)
        if len(calls) > 1:
            started.set()
            finish.wait()
        return {"cache": f"answer {len(calls)}"}

    states = health.CachedStates([slow])
    states()
    clock[0] += health.CACHE_SECONDS
    thread = Thread(target=states)
    thread.start()
    started.wait()
    assert states() == {"cache": "answer 1"}
    finish.set()
    thread.join()
    assert states() == {"cache": "answer 2"}
