"""Requests to the introspection endpoint: their form, their cost, both entrances, and faults."""

import pytest
from client_registry import hashers
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from introspection import endpoint, lookup, protocol
from tests.entrance import ask, endpoint_in, introspect, send_to, send_to_endpoint
from tests.flows import FORM, basic, bearer, machine_token

pytestmark = pytest.mark.usefixtures("registered")
PATH = "/o/introspect/"
ORDERS = "orders-introspection"
GONE = {"type": "http.disconnect"}  # the client has hung up


@pytest.fixture
def token(registered):
    return machine_token(scope="orders:read")


def send(body, headers=None, **options):
    """Send a request of orders with the bytes of a body."""
    return send_to_endpoint(body, basic(ORDERS) | (headers or {}), **options)


# ---- Form ----


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_method_has_to_be_post(token, method):
    response = send(f"token={token}".encode(), method=method)
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert response["Cache-Control"] == "no-store"


def test_response_to_head_has_no_body():
    response = send(b"", method="HEAD")
    assert (response.content, int(response["Content-Length"]) > 0) == (b"", True)


def test_content_type_has_to_be_a_form(token):
    response = send(b'{"token": "a"}', content_type="application/json")
    assert (response.status_code, response.json()["error"]) == (415, "invalid_request")


def test_body_of_more_than_64_kib_is_refused():
    assert introspect("x" * 64 * 1024).status_code == 413


def test_every_token_that_a_resource_server_can_send_is_read():
    assert introspect("/" * 16_000).json() == {"active": False}


@pytest.mark.parametrize(
    "data",
    [
        {"other": "x"},
        {"token": ""},
        {"token": ["one", "two"]},
        {"token": "x"} | {f"p{number}": "x" for number in range(20)},
    ],
    ids=["missing", "empty", "twice", "too many parameters"],
)
def test_token_has_to_be_there_exactly_once(data):
    response = ask(data, basic(ORDERS))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_token_in_the_address_is_not_read(token):
    scope = scope_of("x") | {"query_string": f"token={token}".encode()}
    assert endpoint_messages(scope, [chunk(b"other=x")])[0]["status"] == 400


def test_credentials_are_judged_before_the_token():
    assert ask({"a": "b"}, basic(ORDERS, "wrong")).status_code == 401


def scope_of(token, *headers):
    """Return the scope of a request of orders that asks about a token."""
    fields = {
        b"host": b"testserver",
        b"content-type": FORM.encode(),
        b"content-length": b"%d" % len(f"token={token}"),
        b"authorization": basic(ORDERS)["Authorization"].encode(),
    }
    fields |= dict(headers)
    fields = [(name, value) for name, value in fields.items() if value is not None]
    return {"type": "http", "method": "POST", "path": PATH, "headers": fields}


def endpoint_messages(scope, chunks):
    """Return what the endpoint sends for a scope and the chunks of a body."""
    return send_to(endpoint_in, scope, *chunks)


def chunk(body, *, more=False):
    """Return the message with a part of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


def test_body_in_chunks_is_read_without_a_length(token):
    scope = scope_of(token, (b"content-length", None), (b"transfer-encoding", b"chunked"))
    chunks = [chunk(b"token=", more=True), chunk(token.encode(), more=True), chunk(b"")]
    messages = endpoint_messages(scope, chunks)
    assert b'"active":true' in messages[1]["body"]


def test_body_in_chunks_of_more_than_64_kib_is_refused():
    scope = scope_of("", (b"content-length", None), (b"transfer-encoding", b"chunked"))
    messages = endpoint_messages(scope, [chunk(b"x" * 40_000, more=True)] * 2)
    assert messages[0]["status"] == 413


def test_body_that_ends_too_late_is_refused(monkeypatch):
    monkeypatch.setattr(endpoint, "BODY_SECONDS", 0.01)
    messages = endpoint_messages(scope_of("x"), [])
    assert (messages[0]["status"], (b"Connection", b"close") in messages[0]["headers"]) == (
        408,
        True,
    )


def test_client_that_hangs_up_within_the_body_costs_no_query(token, django_assert_num_queries):
    chunks = [chunk(b"token=", more=True), GONE]
    with django_assert_num_queries(0):
        assert endpoint_messages(scope_of(token), chunks) == []


def test_body_that_is_not_utf8_is_refused():
    assert send(b"token=\xff").status_code == 400


def test_body_is_not_read_without_credentials():
    scope = scope_of("x", (b"authorization", None))
    assert endpoint_messages(scope, [chunk(b"", more=True), GONE])[0]["status"] == 401


@pytest.mark.parametrize("length", [b"65537", b"9" * 50])
def test_body_is_not_read_when_it_is_too_long(length):
    scope = scope_of("x", (b"content-length", length))
    assert endpoint_messages(scope, [GONE])[0]["status"] == 413


def test_foreign_host_is_refused(token):
    response = send(f"token={token}".encode(), {"Host": "evil.example.com"})
    assert (response.status_code, response["Cache-Control"]) == (400, "no-store")


def test_request_without_a_host_is_for_the_address_of_the_server(token):
    scope = scope_of(token, (b"host", None))
    chunks = [chunk(f"token={token}".encode())]
    for server, status in (("testserver", 200), ("evil.example.com", 400)):
        messages = endpoint_messages(scope | {"server": (server, 80)}, chunks)
        assert messages[0]["status"] == status


def test_two_authorization_headers_are_refused(token):
    scope = scope_of(token)
    scope["headers"] += [(b"authorization", scope["headers"][-1][1])]
    assert endpoint_messages(scope, [chunk(b"token=x")])[0]["status"] == 401


def test_no_cookie_is_needed(token):
    client = Client(enforce_csrf_checks=True)
    response = client.post(PATH, f"token={token}", content_type=FORM, headers=basic(ORDERS))
    assert response.status_code == 200


# ---- Cost ----


@pytest.mark.parametrize("secret", [None, "wrong"])
@pytest.mark.parametrize("client_id", [ORDERS, "unknown"])
def test_basic_caller_costs_one_query(token, django_assert_num_queries, client_id, secret):
    headers = basic(client_id, secret or ("x" if client_id == "unknown" else None))
    with django_assert_num_queries(1):
        introspect(token, headers=headers)


def test_bearer_caller_costs_one_query(token, django_assert_num_queries):
    credential = machine_token(ORDERS, scope="introspection")
    with django_assert_num_queries(1):
        assert introspect(token, headers=bearer(credential)).json()["active"]


def test_token_of_a_person_costs_one_query(browser, django_assert_num_queries):
    token = browser.tokens().json()["access_token"]
    with django_assert_num_queries(1):
        assert introspect(token).json()["active"]


@pytest.mark.parametrize("headers", [{"Authorization": "Basic ???"}, basic("no%00body", "x")])
def test_malformed_credentials_cost_no_query(token, django_assert_num_queries, headers):
    with django_assert_num_queries(0):
        introspect(token, headers=headers)


@pytest.mark.parametrize("client_id", [ORDERS, "unknown"])
def test_wrong_secret_and_unknown_client_cost_one_hash(token, monkeypatch, client_id):
    compared = []
    monkeypatch.setattr(
        hashers, "constant_time_compare", lambda *texts: compared.append(texts) or False
    )
    assert introspect(token, headers=basic(client_id, "wrong")).status_code == 401
    assert len(compared) == 1


# ---- Log ----


def test_other_refusals_are_logged_once_a_second(monkeypatch, caplog):
    now = [1000.0]
    monkeypatch.setattr(endpoint, "monotonic", lambda: now[0])
    for _ in range(2):
        now[0] += 1
        for _ in range(9):
            send(b"", method="GET")
    lines = [record for record in caplog.records if record.name == "introspection"]
    assert len(lines) == 2


@pytest.mark.parametrize("headers", [bearer("a-bearer-token"), basic("no%0Aline", "a-secret"), {}])
def test_unknown_caller_is_recorded_without_credentials(token, caplog, headers):
    introspect(token, headers=headers or {"Accept": "*/*"})
    (record,) = (record for record in caplog.records if record.name == "security")
    assert record.msg["event"] == "introspection-refused"
    assert "client_id" not in record.msg
    assert "a-secret" not in caplog.text


def test_the_log_has_the_address_of_the_connection_and_of_the_proxy():
    meta = endpoint.meta_of({"client": ("192.0.2.1", 4001)}, {b"x-forwarded-for": b"192.0.2.7"})
    assert (meta["REMOTE_ADDR"], meta["HTTP_X_FORWARDED_FOR"]) == ("192.0.2.1", "192.0.2.7")


def test_other_refusals_name_the_reason(token, caplog):
    send(b"", method="GET")
    (message,) = (r.getMessage() for r in caplog.records if r.name == "introspection")
    assert message.startswith("405 invalid_request: ")


# ---- Entrances ----


@pytest.mark.parametrize(
    "request_",
    [
        {"body": "token={token}"},
        {"body": "token=unknown"},
        {"body": "token={token}&token={token}"},
        {"body": "token=%00"},
        {"body": "token=" + "x" * 66_000},
        {"body": "token={token}", "authorization": "Basic eDp5"},
        {"body": "token={token}", "authorization": "Bearer unknown"},
        {"body": "token={token}", "content_type": "application/json"},
        {"body": "token={token}", "method": "PUT"},
    ],
    ids=lambda request_: " ".join(request_.values())[:50],
)
def test_both_entrances_answer_alike(token, request_):
    body = request_.pop("body").format(token=token).encode()
    headers = {"Authorization": request_.pop("authorization", basic(ORDERS)["Authorization"])}
    options = {"method": "POST", "content_type": FORM} | request_
    request = RequestFactory().generic(
        options["method"], PATH, body, options["content_type"], headers=headers
    )
    through_django = endpoint.introspect(request)
    in_front = send_to_endpoint(body, headers, **options)
    assert in_front.headers.pop("X-Request-ID")  # a middleware adds it to responses of Django
    assert in_front.status_code == through_django.status_code
    assert in_front.content == through_django.content
    assert dict(in_front.items()) == dict(through_django.items())


# ---- Faults ----


@pytest.fixture
def failing(monkeypatch):
    """Have the query raise an exception."""

    def failing(error):
        def fetch(connection, question):
            raise error

        monkeypatch.setattr(lookup, "fetch", fetch)

    return failing


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError("the password of the database is ..."), 500, "server_error"),
        (OperationalError("the host of the database is ..."), 503, "temporarily_unavailable"),
    ],
)
def test_fault_is_logged_and_not_described(token, failing, caplog, error, status, code):
    failing(error)
    response = introspect(token)
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert (str(error) in response.text, str(error) in caplog.text) == (False, True)
    secrets = token, basic(ORDERS)["Authorization"]
    assert [secret for secret in secrets if secret in caplog.text] == []


def test_caller_may_ask_again_when_the_database_does_not_answer(token, failing):
    failing(OperationalError())
    assert introspect(token)["Retry-After"] == "1"


def test_errors_of_the_database_are_logged_once_a_second(token, failing, caplog):
    failing(OperationalError())
    for _ in range(9):
        introspect(token)
    assert len([record for record in caplog.records if record.name == "introspection"]) == 1


QUESTION = protocol.Question(protocol.Credentials(protocol.BASIC, "x", "x"), "x")


@pytest.fixture
def fetches(monkeypatch):
    """Have the first query fail and the second find nothing, and return their parameters."""
    fetches = []

    def fetch(connection, *arguments):
        fetches.append(arguments)
        if len(fetches) == 1:
            raise OperationalError("the connection is closed")

    monkeypatch.setattr(lookup, "fetch", fetch)
    return fetches


@pytest.mark.django_db(transaction=True)
def test_query_is_repeated_after_a_restart_of_the_database(fetches):
    assert lookup.look_up(QUESTION) is None
    assert len(fetches) == 2


def test_query_is_not_repeated_in_a_transaction(fetches):
    assert connection.in_atomic_block
    with pytest.raises(lookup.Unavailable):
        lookup.look_up(QUESTION)
    assert len(fetches) == 1
