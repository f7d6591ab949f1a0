"""Refused clients, requests and introspections are events."""

import pytest
from audit import recording
from audit.recording import Line
from tests.devices import poll, start_device
from tests.flows import basic, bearer, exchange, introspect, machine_token, post_form, request_token

pytest_plugins = ["tests.recorded"]

# ---- Clients ----


@pytest.mark.parametrize(
    ("path", "members"),
    [("/o/token/", {"grant_type": "client_credentials"}), ("/o/revoke_token/", {})],
)
def test_a_client_with_a_wrong_secret(events, path, members):
    post_form(path, members | {"token": "unknown"}, basic("demo-machine", "wrong"))
    members = members | {"client_id": "demo-machine", "endpoint": path}
    assert events() == [("client-refused", "invalid_client", members)]


def test_a_client_that_is_unknown(events):
    exchange("code", client_id="nobody")
    ((name, outcome, members),) = events()
    assert (name, outcome, members["client_id"]) == ("client-refused", "invalid_client", "nobody")


def test_a_client_id_cannot_forge_a_member(events):
    forged = 'x", "sub": "root\né'
    request_token(grant_type="client_credentials", client_id=forged, client_secret="wrong")
    ((_, _, members),) = events()
    assert members.get("sub") is None
    assert members["client_id"] == 'x", "sub": "root??'


# ---- Requests ----


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"scope": "unknown:read"}, "invalid_scope"),
        ({"response_type": "token"}, "unauthorized_client"),
        ({"client_id": "nobody"}, "invalid_request"),
        ({"redirect_uri": "https://evil.example"}, "invalid_request"),
        ({"prompt": "none"}, "consent_required"),
    ],
)
def test_an_authorization_request_that_is_refused(browser, alice, events, changes, outcome):
    browser.authorize(**changes)
    members = {"sub": str(alice.pk), "endpoint": "/o/authorize/", "client_id": "demo-browser"}
    if "client_id" in changes:
        members["client_id"] = changes["client_id"]
    assert events() == [("request-refused", outcome, members)]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"redirect_uri": "https://evil.example"}, "invalid_request"),
        ({"client_id": "nobody"}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"code_challenge": "", "allow": "true"}, "invalid_request"),
        ({"scope": "unknown:read", "allow": "true"}, "invalid_scope"),
    ],
)
def test_a_consent_form_that_was_tampered_with(browser, alice, events, changes, outcome):
    page = browser.authorize()
    browser.address = "/o/authorize/"
    browser.send_form(page, **changes)
    members = {"sub": str(alice.pk), "endpoint": "/o/authorize/"}
    members["client_id"] = changes.get("client_id", "demo-browser")
    assert events() == [("request-refused", outcome, members)]


def test_a_token_request_that_is_refused(events):
    data = {"grant_type": "client_credentials", "scope": "unknown:read"}
    request_token(basic("demo-machine"), **data)
    members = {
        "client_id": "demo-machine",
        "endpoint": "/o/token/",
        "grant_type": "client_credentials",
    }
    assert events() == [("request-refused", "invalid_scope", members)]


def test_a_device_that_polls_is_not_refused(events):
    device = start_device().json()
    assert poll(device["device_code"]).json()["error"] == "authorization_pending"
    assert events() == []


# ---- Introspection ----


@pytest.mark.parametrize(
    ("headers", "client_id", "outcome"),
    [
        (lambda: basic("nobody", "secret"), "nobody", "invalid_client"),
        (lambda: basic("orders-introspection", "wrong"), "orders-introspection", "invalid_client"),
        (lambda: basic("demo-machine"), "demo-machine", "invalid_client"),
        (lambda: bearer("a-token-of-an-attack"), None, "invalid_token"),
    ],
)
def test_an_introspection_that_is_refused(registered, headers, client_id, outcome, lines):
    assert introspect("token", headers=headers()).status_code == 401
    (line,) = lines()
    assert (line["event"], line["outcome"]) == ("introspection-refused", outcome)
    assert (line.get("client_id"), line["endpoint"]) == (client_id, "/o/introspect/")


def test_an_introspection_that_is_answered_is_no_event(registered, caplog, lines):
    token = machine_token(scope="orders:read")
    caplog.clear()
    assert introspect(token).json()["active"]
    assert introspect("unknown").json() == {"active": False}
    assert lines() == []


def test_a_flood_of_refusals_is_counted(registered, monkeypatch, lines):
    now = [1000.0]
    monkeypatch.setattr(recording, "monotonic", lambda: now[0])
    for _ in range(recording.BURST + 10):
        introspect("token", headers=basic("nobody", "secret"))
    now[0] += 1
    introspect("token", headers=basic("nobody", "secret"))
    refusals = lines()
    assert len(refusals) == recording.BURST + 1
    assert [line.get("left_out") for line in refusals[-2:]] == [None, 10]


def test_a_value_of_a_client_does_not_look_like_another_member_in_development():
    line = Line(event="client-refused", client_id="x outcome=ok", sub=1)
    assert str(line) == 'event=client-refused client_id="x outcome=ok" sub=1'
