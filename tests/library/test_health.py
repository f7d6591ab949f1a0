"""`health.ready` answers 503 when an issuer cannot be used because of a setting."""

import pytest
from oauth_resource_server.django import health

READY = "/health/ready"


@pytest.fixture
def ready(anonymous):
    """Return a function that asks, and returns status and JSON."""

    def ready():
        response = anonymous.get(READY)
        return response.status_code, response.json()

    return ready


def test_it_is_ready(authorization_server, ready):
    assert ready() == (200, {"status": "ok", "authorization_server": "ok"})


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
        {"status": "ok", "authorization_server": "unreachable"},
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


def test_the_answer_is_not_cached(authorization_server, anonymous):
    assert "no-store" in anonymous.get(READY).headers["Cache-Control"]


def test_it_can_only_be_read(anonymous):
    assert anonymous.post(READY).status_code == 405
