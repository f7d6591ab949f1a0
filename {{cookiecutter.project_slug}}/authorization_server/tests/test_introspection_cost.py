"""What an introspection costs, what is remembered of a caller, and what changes that at once."""

import io

import pytest
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from oauth2_provider.models import Application

from client_registry.models import RegisteredClient
from config.wsgi import application
from introspection import callers, endpoint, lookup
from tests.flows import FORM, basic, introspect, machine_token, secret_of

pytestmark = pytest.mark.usefixtures("registered")
PATH = "/o/introspect/"


@pytest.fixture
def token(registered):
    return machine_token(scope="orders:read")


@pytest.fixture
def known(token, clock):
    """Return a token about which orders has asked, so that its credentials are remembered."""
    assert introspect(token).json()["active"]
    return token


# ---- Queries ----


def test_a_caller_who_is_known_costs_one_query(known, django_assert_num_queries):
    with django_assert_num_queries(1):
        introspect(known)


def test_a_caller_who_is_not_known_costs_two(token, django_assert_num_queries):
    with django_assert_num_queries(2):
        introspect(token)


def test_another_resource_server_is_known_by_its_client(known, django_assert_num_queries):
    with django_assert_num_queries(1):
        introspect(known, "inventory")


@pytest.mark.parametrize("client_id", ["orders-introspection", "nobody"])
def test_any_number_of_wrong_secrets_costs_one_query_a_second(
    known, clock, django_assert_num_queries, client_id
):
    with django_assert_num_queries(2):
        for second in (2, 4):
            clock[0] = 1000 + second
            for number in range(50):
                response = introspect(known, headers=basic(client_id, f"wrong-{number}"))
                assert response.status_code == 401


def test_wrong_secrets_are_logged_once_a_second(known, clock, caplog):
    for number in range(50):
        introspect(known, headers=basic("orders-introspection", f"wrong-{number}"))
    lines = [record.getMessage() for record in caplog.records if record.name == "introspection"]
    assert len(lines) == 1
    assert lines[0].startswith("401 invalid_client for orders-introspection;")


def test_the_body_of_a_stranger_is_not_read():
    class Endless:
        def read(self, size):
            raise AssertionError

    environ = RequestFactory().post(PATH, "token=x", content_type=FORM).META
    assert endpoint.respond(environ | {"wsgi.input": Endless()}).status == 401


# ---- What is remembered ----


def test_no_secret_is_kept(known):
    kept = repr(callers._latest)
    headers = basic("orders-introspection")["Authorization"]
    assert [word for word in (secret_of("orders-introspection"), headers) if word in kept] == []


def test_spellings_of_a_secret_are_kept_up_to_a_number(known, monkeypatch):
    monkeypatch.setattr(callers, "MAX_VERIFIED", 3)
    for number in range(9):
        introspect(known, headers={"Authorization": "Basic" + " " * number + encoded()})
    assert len(callers._latest.verified) == 3


def encoded():
    """Return the credentials of orders as they are in the header."""
    return " " + basic("orders-introspection")["Authorization"].partition(" ")[2]


def test_what_is_kept_is_read_again_after_30_seconds(known, clock, django_assert_num_queries):
    clock[0] += 31
    with django_assert_num_queries(2):
        introspect(known)


# ---- What changes at once, whichever process was told ----


def test_a_client_that_is_switched_off_is_refused(known):
    RegisteredClient.objects.filter(name="orders-introspection").update(is_active=False)
    assert introspect(known).status_code == 401


def test_a_client_that_is_deleted_is_refused(known):
    Application.objects.get(client_id="orders-introspection").delete()
    assert introspect(known).status_code == 401


def test_a_client_that_has_become_public_is_refused(known):
    Application.objects.filter(client_id="orders-introspection").update(client_type="public")
    assert introspect(known).status_code == 401


def test_an_old_secret_is_refused(known):
    other = Application.objects.get(client_id="inventory-introspection").client_secret
    Application.objects.filter(client_id="orders-introspection").update(client_secret=other)
    assert introspect(known).status_code == 401
    headers = basic("orders-introspection", secret_of("inventory-introspection"))
    assert introspect(known, headers=headers).json()["active"]


def test_a_client_of_another_resource_server_gets_the_answers_for_that(known):
    client = RegisteredClient.objects.filter(name="orders-introspection")
    client.update(resource_server="inventory")
    assert introspect(known).json() == {"active": False}


def test_a_new_client_is_known_a_second_later(known, clock):
    Application.objects.filter(client_id="orders-introspection").update(client_id="new")
    clock[0] += 2
    headers = basic("new", secret_of("orders-introspection"))
    assert introspect(known, headers=headers).json()["active"]


# ---- The two entrances ----


def ask(entrance, **environ):
    """Return status, headers and body of one request through Django or in front of it."""
    environ = RequestFactory().post(PATH, environ.pop("body", ""), content_type=FORM).META | environ
    if entrance == "django":
        response = Client().generic(
            environ["REQUEST_METHOD"],
            PATH,
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])),
            **{key: value for key, value in environ.items() if key != "wsgi.input"},
        )
        return response.status_code, dict(response.items()), response.content
    started = []
    body = b"".join(application(environ, lambda *arguments: started.extend(arguments)))
    return int(started[0].split()[0]), dict(started[1]), body


@pytest.mark.parametrize(
    "request_",
    [
        {"body": "token={token}"},
        {"body": "token=unknown"},
        {"body": "token={token}&token={token}"},
        {"body": "token=%00"},
        {"body": "token=" + "x" * 17_000},
        {"body": "token={token}", "HTTP_AUTHORIZATION": "Basic eDp5"},
        {"body": "token={token}", "HTTP_AUTHORIZATION": "Bearer unknown"},
        {"body": "token={token}", "CONTENT_TYPE": "application/json"},
        {"body": "token={token}", "REQUEST_METHOD": "PUT"},
    ],
)
def test_both_entrances_answer_the_same(token, request_):
    credentials = {"HTTP_AUTHORIZATION": basic("orders-introspection")["Authorization"]}
    environ = credentials | request_ | {"body": request_["body"].format(token=token)}
    status, headers, body = ask("wsgi", **environ)
    through_django = ask("django", **environ)
    del headers["X-Request-ID"]  # Of Django's middleware, which the view alone does not meet.
    assert (status, body) == (through_django[0], through_django[2])
    assert headers.items() <= through_django[1].items()


def test_what_is_not_an_introspection_goes_to_django():
    started = []
    environ = RequestFactory().get("/health/live").META
    response = application(environ, lambda *arguments: started.extend(arguments))
    assert (started[0], b"".join(response)) == ("200 OK", b'{"status": "ok"}')


def test_a_foreign_host_is_refused(token, caplog):
    status, headers, body = ask("wsgi", body=f"token={token}", HTTP_HOST="evil.example.com")
    assert (status, headers["Cache-Control"], b"invalid_request" in body) == (400, "no-store", True)


def test_a_body_that_is_cut_off_is_refused(token):
    environ = {
        "wsgi.input": io.BytesIO(f"token={token}".encode()),
        "CONTENT_TYPE": FORM,
        "CONTENT_LENGTH": "9000",
        "HTTP_AUTHORIZATION": basic("orders-introspection")["Authorization"],
    }
    assert ask("wsgi", **environ)[0] == 400


@pytest.mark.parametrize(
    ("length", "bytes_"), [("", 0), ("12", 12), ("-1", 0), ("1_0", 0), ("1e3", 0), ("\xb2", 0)]
)
def test_the_content_length_is_a_number_or_nothing(length, bytes_):
    assert endpoint.content_length({"CONTENT_LENGTH": length}) == bytes_


# ---- Faults ----


def test_a_fault_is_logged_and_answered_without_a_word_about_it(known, monkeypatch, caplog):
    def look_up(*arguments):
        raise OperationalError("the password of the database is ...")

    monkeypatch.setattr(endpoint, "look_up", look_up)
    environ = {"HTTP_AUTHORIZATION": basic("orders-introspection")["Authorization"]}
    status, _, body = ask("wsgi", body=f"token={known}", **environ)
    assert (status, body) == (500, b'{"error": "server_error"}')
    assert [word for word in (known, encoded()) if word in caplog.text] == []


@pytest.mark.django_db(transaction=True)
def test_a_database_that_was_started_again_is_asked_again(monkeypatch):
    asked = []

    def fetch(connection, parameters):
        asked.append(parameters)
        if len(asked) == 1:
            raise OperationalError("the connection is closed")
        return None

    monkeypatch.setattr(lookup, "fetch", fetch)
    assert lookup.look_up("x", 1) is None
    assert len(asked) == 2


def test_it_is_not_asked_again_inside_of_a_transaction(monkeypatch):
    def fetch(connection, parameters):
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(lookup, "fetch", fetch)
    assert connection.in_atomic_block
    with pytest.raises(OperationalError):
        lookup.look_up("x", 1)
