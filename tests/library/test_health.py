"""`/health/live` says that the process runs, `/health/ready` that it can do its work."""

import pytest
from django.db import DatabaseError, connection
from oauth_resource_server.django import health

LIVE, READY = "/health/live", "/health/ready"


@pytest.fixture
def ready(anonymous, db):
    """Return a function that asks, and returns status and JSON."""

    def ready():
        response = anonymous.get(READY)
        return response.status_code, response.json()

    return ready


def test_it_is_alive(anonymous):
    assert anonymous.get(LIVE).json() == {"status": "ok"}


def test_it_is_alive_without_an_authorization_server(authorization_server, anonymous):
    authorization_server.stop()
    assert anonymous.get(LIVE).status_code == 200


def test_it_is_ready(authorization_server, ready):
    assert ready() == (200, {"status": "ok", "database": "ok", "authorization_server": "ok"})


def test_being_ready_takes_a_real_introspection(authorization_server, ready):
    ready()
    assert authorization_server.requests[0].form["token"] == "readiness-probe"


def test_the_authorization_server_is_asked_once_in_a_while(
    authorization_server, ready, monkeypatch
):
    monkeypatch.setattr(health, "KEPT_SECONDS", 60)
    assert ready() == ready()
    assert len(authorization_server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_stays_ready_when_the_authorization_server_is_down(authorization_server, ready, status):
    authorization_server.answer_with(status)
    assert ready() == (
        200,
        {"status": "ok", "database": "ok", "authorization_server": "unreachable"},
    )


@pytest.mark.parametrize("status", [401, 403])
def test_it_is_not_ready_when_its_credentials_are_refused(authorization_server, ready, status):
    authorization_server.answer_with(status)
    code, answer = ready()
    assert (code, "credentials" in answer["authorization_server"]) == (503, True)


def test_refused_credentials_are_one_error_in_the_log(authorization_server, ready, caplog):
    authorization_server.answer_with(401)
    ready()
    ours = [one.levelname for one in caplog.records if one.name.startswith("oauth_resource_server")]
    assert ours == ["ERROR"]


@pytest.mark.parametrize("status", [200, 302, 404])
def test_it_is_not_ready_when_the_url_is_no_introspection_endpoint(
    authorization_server, ready, status
):
    authorization_server.answer_with(status, b"<html>")
    code, answer = ready()
    assert (code, "RFC 7662" in answer["authorization_server"]) == (503, True)


def test_it_is_not_ready_without_a_database(authorization_server, ready):
    def refuse(*args):
        raise DatabaseError("gone")

    with connection.execute_wrapper(refuse):
        assert ready() == (
            503,
            {
                "status": "not ready",
                "database": "does not answer",
                "authorization_server": "ok",
            },
        )


@pytest.mark.parametrize("address", [LIVE, READY])
def test_the_answer_is_not_cached(authorization_server, anonymous, db, address):
    assert "no-store" in anonymous.get(address).headers["Cache-Control"]


@pytest.mark.parametrize("address", [LIVE, READY])
def test_it_can_only_be_read(anonymous, address):
    assert anonymous.post(address).status_code == 405
