"""Every fault of an authorization server yields the answer of the contract, and gives all back."""

import threading
import time
from dataclasses import replace

import pytest
from oauth_resource_server.http.client import MAX_BODY_BYTES
from oauth_resource_server.issuers.route import configured_issuers
from oauth_resource_server.validation import process_state
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b" " * 99


def wrong(**members):
    """Answer about an active token with a member of a wrong type."""
    return lambda server: (server.issue("some-token", **members), None)[1]


FAULTS = {
    "gone": lambda server: server.stop(),
    "stalls": lambda server: server.stall(),
    "stalls in the body": lambda server: server.stall_in_the_body(),
    "cuts off in the body": lambda server: server.cut_off_in_the_body(),
    "hangs up": lambda server: server.hang_up(times=99),
    "drips a body": lambda server: server.drip(ANSWER),
    "drips headers": lambda server: server.drip(ANSWER.replace(b"\r\n\r\n", b"\r\nX: y" * 99)),
    "answers without an end": lambda server: server.drip(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 999),
    "does not speak HTTP": lambda server: server.drip(b"SSH-2.0-OpenSSH\r\n"),
    "garbage": lambda server: server.answer_with(200, b"\xff\xfe"),
    "a page": lambda server: server.answer_with(200, b"<html>"),
    "redirect": lambda server: server.answer_with(302, Location="/"),
    "permanent redirect": lambda server: server.answer_with(308, Location=server.url),
    "401": lambda server: server.answer_with(401),
    "403": lambda server: server.answer_with(403),
    "404": lambda server: server.answer_with(404),
    "429": lambda server: server.answer_with(429),
    "500": lambda server: server.answer_with(500),
    "a wrong exp": wrong(exp="soon"),
    "a wrong aud": wrong(aud={"a": "b"}),
    "a wrong scope": wrong(scope=[7]),
    "a wrong active": wrong(active="true"),
    "a wrong sub": wrong(sub=7),
    "huge": lambda server: server.answer_with(200, b" " * 20 * MAX_BODY_BYTES),
    "huge error": lambda server: server.answer_with(500, b" " * 20 * MAX_BODY_BYTES),
}


every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@pytest.fixture(autouse=True)
def _little_patience(configure):
    configure(RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS=0.3, TOTAL_TIMEOUT_SECONDS=0.6)


@every_fault
def test_a_fault_is_a_503(authorization_server, client_with, fault):
    fault(authorization_server)
    response = client_with("some-token").get("/default/")
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)


@every_fault
def test_nothing_else_is_the_worse_for_it(
    authorization_server, client_with, configure, alice, fault
):
    configure(RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS=30, TOTAL_TIMEOUT_SECONDS=60)
    assert alice.get("/default/").status_code == 200
    # As little patience as elsewhere, but now: a changed setting would forget who alice is.
    http = configured_issuers().all[0].client.http
    http._conf = replace(http._conf, read_timeout=0.3, total_timeout=0.6)
    fault(authorization_server)
    client_with("some-token").get("/default/")
    assert [one.get("/default/").status_code for one in (alice, APIClient())] == [200, 401]


@every_fault
def test_everything_comes_back(authorization_server, client_with, fault):
    fault(authorization_server)
    before = threads_of_ours()
    for number in range(3):
        client_with(f"some-token-{number}").get("/default/")
    state, http = process_state(), configured_issuers().all[0].client.http
    assert (state.bulkhead._inside, state.flights._flights, len(http.idle)) == (0, {}, 1)
    assert threads_of_ours() == before


@every_fault
def test_it_recovers_by_itself(authorization_server, client_with, configure, fault):
    configure(BREAKER_OUTAGES=1, BREAKER_MAX_DELAY_SECONDS=0.01)
    token = authorization_server.issue("good-token")
    fault(authorization_server)
    client_with("some-token").get("/default/")
    authorization_server.start_again()
    authorization_server.behaviour = authorization_server.introspect
    statuses = [client_with(token).get("/default/").status_code]
    while statuses[-1] == 503 and len(statuses) < 100:
        time.sleep(0.01)
        statuses.append(client_with(token).get("/default/").status_code)
    assert statuses[-1] == 200


def threads_of_ours():
    """All but those in which the authorization server answers."""
    return [one for one in threading.enumerate() if "process_request_thread" not in one.name]
