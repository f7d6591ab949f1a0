"""What a resource server answers: every row of the contract, for Django REST Framework."""

import pytest
from oauth_resource_server.issuers.route import configured_issuers
from oauth_resource_server.validation import MAX_TOKEN_LENGTH
from rest_framework.test import APIClient

METADATA = "http://testserver/.well-known/oauth-protected-resource"
VIEW = "/default/"


def header(value):
    """A request whose Authorization header is `value`."""
    return APIClient().get(VIEW, headers={"Authorization": value})


def challenge(response):
    return response.headers["WWW-Authenticate"]


# A good token.


def test_a_good_token_is_accepted(alice):
    assert alice.get(VIEW).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_may_be_written_in_any_case(authorization_server, scheme):
    authorization_server.issue("alice-token")
    assert header(f"{scheme} alice-token").status_code == 200


def test_the_view_gets_what_the_token_says(alice):
    assert alice.get(VIEW).json()["sub"] == "alice-uuid"


def test_every_character_that_rfc_6750_allows_is_accepted(authorization_server):
    token = authorization_server.issue("aZ09-._~+/==")
    assert header(f"Bearer {token}").status_code == 200


def test_a_token_of_the_greatest_length_is_accepted(authorization_server):
    token = authorization_server.issue("x" * MAX_TOKEN_LENGTH)
    assert header(f"Bearer {token}").status_code == 200


# No token.


@pytest.mark.parametrize("value", ["", "Basic YTpi", "Bearerish abc", "Token abc", "abc"])
def test_another_scheme_is_no_token(value):
    assert (header(value).status_code, "error=" in challenge(header(value))) == (401, False)


def test_a_request_without_a_token_is_refused(anonymous):
    assert anonymous.get(VIEW).status_code == 401


def test_the_challenge_names_realm_and_metadata_and_no_error(anonymous):
    expected = f'Bearer realm="orders",resource_metadata="{METADATA}"'
    assert challenge(anonymous.get(VIEW)) == expected


def test_a_view_that_is_open_needs_no_token(anonymous):
    assert anonymous.get("/open/").status_code == 200


def test_the_challenge_leads_to_the_metadata(anonymous, configure):
    assert anonymous.get(METADATA.removeprefix("http://testserver")).status_code == 200


# A malformed request.

MALFORMED = {
    "nothing": "Bearer",
    "blanks only": "Bearer   ",
    "two tokens": "Bearer a b",
    "two headers in one": "Bearer a, Bearer b",
    "a letter that is not ASCII": "Bearer ö",
    "a quoted token": 'Bearer "abc"',
    "a padding in the middle": "Bearer a=b",
    "a padding only": "Bearer ==",
    "a control character": "Bearer a\x00b",
    "a token that is too long": f"Bearer {'x' * (MAX_TOKEN_LENGTH + 1)}",
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_header_is_a_bad_request(authorization_server, value):
    assert header(value).status_code == 400


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_header_asks_nobody(authorization_server, value):
    header(value)
    assert authorization_server.requests == []


def test_a_token_that_is_too_long_is_told_so():
    response = header(MALFORMED["a token that is too long"])
    assert response.json()["detail"] == "The access token has more than 16000 characters."


def test_the_challenge_of_a_bad_request_says_so():
    assert 'error="invalid_request"' in challenge(header("Bearer"))


def test_the_body_of_a_bad_request_says_so():
    assert header("Bearer").json()["error"] == "invalid_request"


def test_a_bad_request_is_refused_where_no_token_is_needed(anonymous):
    response = anonymous.get("/open/", headers={"Authorization": "Bearer"})
    assert response.status_code == 400


@pytest.mark.parametrize("query", ["access_token=alice-token", "access%5Ftoken=x", "access_token"])
@pytest.mark.parametrize("client", ["alice", "anonymous"])
def test_a_token_in_the_url_is_a_bad_request(request, alice, client, query):
    response = request.getfixturevalue(client).get(f"{VIEW}?{query}")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-Urlencoded",
    ],
)
@pytest.mark.parametrize("method", ["post", "put", "generic"])
@pytest.mark.parametrize("client", ["alice", "anonymous"])
def test_a_token_in_a_form_is_a_bad_request(request, alice, client, method, content_type):
    client = request.getfixturevalue(client)
    arguments = ["PATCH"] if method == "generic" else []
    body = "quantity=1&access_token=alice-token"
    response = getattr(client, method)(*arguments, VIEW, body, content_type=content_type)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_a_token_in_a_json_body_is_none(alice):
    assert alice.post(VIEW, {"access_token": "x"}, format="json").status_code == 200


# Invalid tokens.


def test_an_unknown_token_is_refused(client_with):
    assert client_with("unknown").get(VIEW).status_code == 401


def test_an_expired_token_is_refused(authorization_server, client_with):
    assert client_with(authorization_server.issue("old", exp=1)).get(VIEW).status_code == 401


def test_a_token_for_another_resource_server_is_refused(authorization_server, client_with):
    token = authorization_server.issue("other", aud=["https://inventory.example.com"])
    assert client_with(token).get(VIEW).status_code == 401


def test_a_token_of_another_issuer_is_refused(authorization_server, client_with):
    token = authorization_server.issue("other", iss="https://evil.example.com")
    assert client_with(token).get(VIEW).status_code == 401


def test_a_revoked_token_is_refused(authorization_server, configure, alice):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0)
    alice.get(VIEW)
    del authorization_server.tokens["alice-token"]
    assert alice.get(VIEW).status_code == 401


def test_it_is_refused_where_no_token_is_needed(client_with):
    assert client_with("unknown").get("/open/").status_code == 401


def test_the_challenge_says_that_the_token_is_invalid(client_with):
    assert challenge(client_with("unknown").get(VIEW)) == (
        'Bearer realm="orders",error="invalid_token",'
        'error_description="The access token is unknown, expired, revoked or not meant for this'
        f' API.",resource_metadata="{METADATA}"'
    )


def test_the_body_says_that_the_token_is_invalid(client_with):
    assert client_with("unknown").get(VIEW).json()["error"] == "invalid_token"


# Lack of scope: test_permissions.py.

# Tokens that cannot be validated.

OUTAGES = {
    "broken": lambda server: server.answer_with(500),
    "overloaded": lambda server: server.answer_with(429),
    "redirecting": lambda server: server.answer_with(302, Location="/"),
    "not speaking RFC 7662": lambda server: server.answer_with(200, b"<html>"),
    "answering half of it": lambda server: server.answer_with(200, b'{"active": true, "exp": "x"}'),
    "hanging up": lambda server: server.hang_up(times=99),
    "gone": lambda server: server.stop(),
    "refusing our credentials": lambda server: server.answer_with(401),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_an_outage_is_not_the_fault_of_the_client(authorization_server, client_with, outage):
    outage(authorization_server)
    response = client_with("some-token").get(VIEW)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_an_outage_says_nothing_about_the_token(authorization_server, client_with, outage):
    outage(authorization_server)
    response = client_with("some-token").get(VIEW)
    assert (response.json()["error"], response.headers.get("WWW-Authenticate")) == (
        "temporarily_unavailable",
        None,
    )


def test_a_stalled_authorization_server_is_an_outage(authorization_server, configure, client_with):
    configure(RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS=0.1)
    authorization_server.stall()
    assert client_with("some-token").get(VIEW).status_code == 503


def test_the_client_waits_as_long_as_the_authorization_server_asks(
    authorization_server, client_with
):
    authorization_server.answer_with(503, Retry_After="42")
    assert client_with("some-token").get(VIEW).headers["Retry-After"] == "42"


@pytest.fixture
def open_breaker(authorization_server, configure, client_with):
    """The breaker has opened, and stays open: its time stands still."""
    configure(BREAKER_OUTAGES=1)
    configured_issuers().all[0].breaker._timer = lambda: 0
    authorization_server.answer_with(500)
    client_with("some-token").get(VIEW)


def test_what_is_not_asked_is_an_outage_too(open_breaker, authorization_server, client_with):
    response = client_with("another-token").get(VIEW)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert len(authorization_server.requests) == 1


def test_it_is_no_line_in_the_log(open_breaker, client_with, caplog):
    caplog.clear()
    client_with("another-token").get(VIEW)
    assert lines(caplog) == []


def test_a_token_may_be_used_longer_in_an_outage(authorization_server, configure, alice):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0, STALE_IF_ERROR_SECONDS=60)
    alice.get(VIEW)
    authorization_server.answer_with(500)
    assert alice.get(VIEW).status_code == 200


@pytest.mark.parametrize("view", ["/never-stale/", "/dot/"])
def test_but_not_where_the_view_refuses_or_cannot_say(authorization_server, configure, alice, view):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0, STALE_IF_ERROR_SECONDS=60)
    alice.get(view)
    authorization_server.answer_with(500)
    assert alice.get(view).status_code == 503


def test_garbage_beyond_the_limit_is_not_asked_about(authorization_server, client_with, configure):
    configure(INVALID_TOKEN_BURST=5, INVALID_TOKEN_RATE=0.01)
    statuses = [client_with(f"garbage-{number}").get(VIEW).status_code for number in range(8)]
    assert statuses == [401] * 5 + [503] * 3
    assert len(authorization_server.requests) == 5


def test_the_seconds_to_wait_are_a_setting(authorization_server, configure, client_with):
    configure(RETRY_AFTER_SECONDS=9)
    authorization_server.answer_with(500)
    assert client_with("some-token").get(VIEW).headers["Retry-After"] == "9"


def test_the_token_is_good_again_after_an_outage(authorization_server, alice):
    authorization_server.answer_with(500)
    alice.get(VIEW)
    authorization_server.behaviour = authorization_server.introspect
    assert alice.get(VIEW).status_code == 200


def test_a_request_without_a_token_is_refused_during_an_outage(authorization_server, anonymous):
    authorization_server.answer_with(500)
    assert anonymous.get(VIEW).status_code == 401


def lines(caplog):
    """What went to the log, Django's own lines included, without those about plain 4xx."""
    return [record for record in caplog.records if getattr(record, "status_code", 500) >= 500]


def test_refused_credentials_are_one_error_in_the_log(authorization_server, client_with, caplog):
    authorization_server.answer_with(401)
    client_with("some-token").get(VIEW)
    assert [record.levelname for record in lines(caplog)] == ["ERROR"]


@pytest.mark.parametrize(
    "what", ["orders-introspection", "/o/introspect/", "ensure_clients", ".env"]
)
def test_that_line_says_what_to_look_at(authorization_server, client_with, caplog, what):
    authorization_server.answer_with(401)
    client_with("some-token").get(VIEW)
    assert what in lines(caplog)[0].getMessage()


def test_another_outage_is_one_warning_in_the_log(authorization_server, client_with, caplog):
    authorization_server.answer_with(500)
    client_with("some-token").get(VIEW)
    assert [record.levelname for record in lines(caplog)] == ["WARNING"]


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_neither_token_nor_secret_goes_to_the_log(
    authorization_server, client_with, caplog, outage
):
    caplog.set_level("DEBUG")
    outage(authorization_server)
    client_with("some-token").get(VIEW)
    assert ("some-token" in caplog.text, "s3cret" in caplog.text) == (False, False)


# What it costs.


def test_a_token_is_introspected_once(authorization_server, alice):
    alice.get(VIEW)
    alice.get(VIEW)
    assert len(authorization_server.requests) == 1


def test_a_bad_token_is_introspected_once(authorization_server, configure, client_with):
    configure(INACTIVE_CACHING_SECONDS=60)
    client_with("unknown").get(VIEW)
    client_with("unknown").get(VIEW)
    assert len(authorization_server.requests) == 1


def test_without_a_cache_every_request_introspects(authorization_server, configure, alice):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0)
    assert [alice.get(VIEW).status_code, alice.get(VIEW).status_code] == [200, 200]
    assert len(authorization_server.requests) == 2


def test_a_token_that_is_known_costs_no_query(alice, db, django_assert_num_queries):
    alice.get(VIEW)
    with django_assert_num_queries(0):
        alice.get(VIEW)


def test_a_machine_token_costs_no_query_at_all(machine, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        machine.get(VIEW)


def test_all_introspections_of_a_process_use_one_connection(authorization_server, client_with):
    for number in range(5):
        client_with(f"unknown-{number}").get(VIEW)
    assert authorization_server.connections == 1


pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"a":' * 100_000, '{"name": ' + "[" * 100_000, "[", b"\xff"]
)
def test_malformed_json_is_the_fault_of_the_client(alice, body):
    assert alice.post("/echo/", body, content_type="application/json").status_code == 400


def test_json_is_parsed(alice):
    assert alice.post("/echo/", {"a": [1]}, format="json").json() == {"a": [1]}
