"""Requests to the introspection endpoint: their form, their cost, both entrances, and faults."""

import io

import pytest
from client_registry import hashers
from config import asgi
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from introspection import endpoint, lookup, question
from tests.flows import FORM, basic, bearer, introspect, machine_token, post_form

pytestmark = pytest.mark.usefixtures("registered")
PATH = "/o/introspect/"
application = asgi.application.application  # the WSGI one, behind the bridge
ORDERS = "orders-introspection"


@pytest.fixture
def token(registered):
    return machine_token(scope="orders:read")


def environ(body="", **changes):
    """Return the WSGI environment of a request of orders."""
    credentials = {"HTTP_AUTHORIZATION": basic(ORDERS)["Authorization"]}
    meta = RequestFactory().post(PATH, body, content_type=FORM).META
    return meta | credentials | changes


# ---- Form ----


@pytest.mark.parametrize("method", ["get", "put", "delete", "head", "options"])
def test_method_has_to_be_post(token, method):
    response = getattr(Client(), method)(f"{PATH}?token={token}", headers=basic(ORDERS))
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert response["Cache-Control"] == "no-store"


def test_content_type_has_to_be_a_form(token):
    response = Client().post(
        PATH, {"token": token}, content_type="application/json", headers=basic(ORDERS)
    )
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
    response = post_form(PATH, data, basic(ORDERS))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_token_in_the_address_is_not_read(token):
    assert post_form(f"{PATH}?token={token}", {"a": "b"}, basic(ORDERS)).status_code == 400


def test_credentials_are_judged_before_the_token():
    assert post_form(PATH, {"a": "b"}, basic(ORDERS, "wrong")).status_code == 401


def test_truncated_body_is_refused(token):
    body = io.BytesIO(f"token={token}".encode())
    truncated = environ("x", CONTENT_LENGTH="9000") | {"wsgi.input": body}
    assert endpoint.respond(truncated).status == 400


def test_body_that_is_not_utf8_is_refused():
    assert endpoint.respond(environ(b"token=\xff")).status == 400


def test_body_is_not_read_without_credentials():
    class Endless:
        def read(self, size):
            raise AssertionError

    request = environ("token=x", HTTP_AUTHORIZATION="") | {"wsgi.input": Endless()}
    assert endpoint.respond(request).status == 401


@pytest.mark.parametrize(
    ("length", "size"), [("", 0), ("12", 12), ("-1", 0), ("1_0", 0), ("1e3", 0), ("\xb2", 0)]
)
def test_content_length_is_a_number_or_zero(length, size):
    assert question.content_length({"CONTENT_LENGTH": length}) == size


def test_foreign_host_is_refused(token):
    response = endpoint.respond(environ(f"token={token}", HTTP_HOST="evil.example.com"))
    assert response.status == 400
    assert ("Cache-Control", "no-store") in response.headers


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


def test_refusals_are_logged_once_a_second(token, monkeypatch, caplog):
    now = [1000.0]
    monkeypatch.setattr(endpoint, "monotonic", lambda: now[0])
    for _ in range(2):
        now[0] += 1
        for number in range(9):
            introspect(token, headers=basic(ORDERS, f"wrong-{number}"))
            Client().get(PATH)
    lines = [record.getMessage() for record in caplog.records if record.name == "introspection"]
    assert len(lines) == 2
    assert all(line.startswith("401 invalid_client: ") and ORDERS in line for line in lines)
    assert "wrong-" not in caplog.text


@pytest.mark.parametrize("headers", [bearer("a-bearer-token"), basic("no%0Aline", "a-secret"), {}])
def test_unknown_caller_is_logged_without_credentials(token, caplog, headers):
    introspect(token, headers=headers or {"Accept": "*/*"})
    (message,) = (r.getMessage() for r in caplog.records if r.name == "introspection")
    assert "(an unknown caller)" in message


# ---- Entrances ----


@pytest.mark.parametrize(
    "request_",
    [
        {"body": "token={token}"},
        {"body": "token=unknown"},
        {"body": "token={token}&token={token}"},
        {"body": "token=%00"},
        {"body": "token=" + "x" * 66_000},
        {"body": "token={token}", "HTTP_AUTHORIZATION": "Basic eDp5"},
        {"body": "token={token}", "HTTP_AUTHORIZATION": "Bearer unknown"},
        {"body": "token={token}", "CONTENT_TYPE": "application/json"},
        {"body": "token={token}", "REQUEST_METHOD": "PUT"},
    ],
    ids=lambda request_: " ".join(request_.values())[:50],
)
def test_both_entrances_answer_alike(token, request_):
    body = request_["body"].format(token=token)
    request = environ(**request_ | {"body": body})
    copied = {name: value for name, value in request.items() if name != "wsgi.input"}
    through_django = Client().generic(request["REQUEST_METHOD"], PATH, body, **copied)
    started = []
    in_front = b"".join(application(request, lambda *arguments: started.extend(arguments)))
    headers = dict(started[1])
    assert headers.pop("X-Request-ID")  # the view alone does not pass the middleware
    assert int(started[0].split()[0]) == through_django.status_code
    assert in_front == through_django.content
    assert headers.items() <= dict(through_django.items()).items()


def test_other_requests_are_passed_to_django():
    started = []
    request = RequestFactory().get("/health/live").META
    response = application(request, lambda *arguments: started.extend(arguments))
    assert (started[0], b"".join(response)) == ("200 OK", b'{"status": "ok"}')


# ---- Faults ----


def test_fault_is_logged_and_not_described(token, monkeypatch, caplog):
    def look_up(question):
        raise OperationalError("the password of the database is ...")

    monkeypatch.setattr(endpoint, "look_up", look_up)
    request = environ(f"token={token}")
    response = endpoint.respond(request)
    assert (response.status, response.body) == (500, b'{"error": "server_error"}')
    secrets = token, request["HTTP_AUTHORIZATION"]
    assert [secret for secret in secrets if secret in caplog.text] == []


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
    assert lookup.look_up(question.parse(environ("token=x"))) is None
    assert len(fetches) == 2


def test_query_is_not_repeated_in_a_transaction(fetches):
    assert connection.in_atomic_block
    with pytest.raises(OperationalError):
        lookup.look_up(question.parse(environ("token=x")))
