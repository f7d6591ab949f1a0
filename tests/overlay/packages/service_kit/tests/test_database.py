"""A request that cannot use the database is answered 503, and a fault of the code 500."""

import logging
import sqlite3
from contextlib import closing

import psycopg
import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError
from django.test import Client
from django.urls import path
from service_kit import database

PASSWORD = "a-password-that-must-not-be-logged"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGE = {"503.html": "<h1>Not available</h1>"}
raised: list[BaseException] = []


def view(request):
    """Raise what a test asks for."""
    raise raised[0]


def failing_middleware(get_response):
    """Return a middleware that raises it after the view, as one that saves the session does."""

    def middleware(request: WSGIRequest):
        if request.path == "/middleware":
            raise raised[0]
        return get_response(request)

    return middleware


urlpatterns = [path("view", view)]
handler500 = "service_kit.database.server_error"


def caused_by(error, cause):
    """Return an error as Django raises it for an exception of a driver."""
    error.__cause__ = cause
    return error


def sqlite_error(tmp_path, statement, *, locked=False):
    """Return the error of a statement, while another connection holds the lock with `locked`."""
    with (
        closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as one,
        closing(sqlite3.connect(tmp_path / "db", isolation_level=None, timeout=0)) as other,
    ):
        one.execute("CREATE TABLE existing (id)")
        if locked:
            one.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            other.execute(statement)
    return caused_by(OperationalError(str(caught.value)), caught.value)


@pytest.fixture
def client(settings, monkeypatch):
    """Return a client of a service whose requests raise what is in `raised`."""
    settings.ROOT_URLCONF = __name__
    settings.SECURE_SSL_REDIRECT = False
    settings.MIDDLEWARE = [
        "service_kit.request_id.RequestIdMiddleware",
        "service_kit.database.DatabaseMiddleware",
        f"{__name__}.failing_middleware",
    ]
    monkeypatch.setattr(database, "_last_logged", float("-inf"))
    raised[:] = [OperationalError("connection refused")]
    return Client(raise_request_exception=False, headers={"Host": "service.example.com"})


@pytest.fixture
def pages(settings):
    """Give the service a page for an outage."""
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", PAGE)]},
        }
    ]


@pytest.mark.parametrize("address", ["/view", "/middleware"])
@pytest.mark.parametrize("debug", [False, True])
def test_an_outage_is_503_wherever_it_is_noticed(client, settings, address, debug):
    settings.DEBUG = debug
    if debug and address == "/middleware":
        pytest.skip("Django shows its own page for faults outside of views")
    response = client.get(address)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.json() == {
        "error": "temporarily_unavailable",
        "error_description": "The database does not answer at the moment. Try again later.",
    }
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", ["/view", "/middleware"])
def test_another_fault_is_500(client, address):
    raised[:] = [ValueError("a fault of the code")]
    assert client.get(address).status_code == 500


def test_a_browser_gets_a_page(client, pages):
    response = client.get("/view", headers=BROWSER)
    assert (response.status_code, response.text) == (503, PAGE["503.html"])
    assert response.headers["Retry-After"] == "5"


def test_a_program_gets_json_from_a_service_with_pages(client, pages):
    assert client.get("/view", headers={"Accept": "*/*"}).json()["error"]


def test_a_browser_gets_json_from_a_service_without_pages(client):
    assert client.get("/view", headers=BROWSER).json()["error"]


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("FATAL: sorry, too many clients already"),
        InterfaceError("connection already closed"),
        caused_by(InternalError("read-only"), psycopg.errors.ReadOnlySqlTransaction()),
        caused_by(OperationalError("shutdown"), psycopg.errors.AdminShutdown()),
    ],
    ids=["limit of connections", "closed connection", "read-only", "stopped"],
)
def test_an_error_of_the_server_or_the_connection_is_an_outage(error):
    assert database.is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        DatabaseError("a wrong query"),
        caused_by(InternalError("aborted"), psycopg.errors.InFailedSqlTransaction()),
        ValueError(),
        None,
    ],
    ids=["a wrong query", "an aborted transaction", "no error of a database", "no error"],
)
def test_an_error_of_a_query_is_no_outage(error):
    assert not database.is_outage(error)


def test_a_locked_sqlite_database_is_an_outage(tmp_path):
    assert database.is_outage(sqlite_error(tmp_path, "SELECT * FROM existing", locked=True))


def test_a_table_that_is_missing_in_sqlite_is_no_outage(tmp_path):
    assert not database.is_outage(sqlite_error(tmp_path, "SELECT * FROM missing"))


def test_an_sqlite_database_that_cannot_be_written_is_an_outage(tmp_path):
    with closing(sqlite3.connect(tmp_path / "db")) as writer:
        writer.execute("CREATE TABLE existing (id)")
    with closing(sqlite3.connect(f"file:{tmp_path / 'db'}?mode=ro", uri=True)) as reader:
        with pytest.raises(sqlite3.OperationalError) as caught:
            reader.execute("INSERT INTO existing VALUES (1)")
    assert database.is_outage(caused_by(OperationalError("readonly"), caught.value))


def test_an_outage_is_one_line_a_second_in_the_log(client, caplog, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(database, "monotonic", lambda: now[0])
    raised[:] = [OperationalError("connection failed:\n\tno route")]
    for _ in range(3):
        client.get("/view")
    assert caplog.messages == ["The database does not answer: connection failed: no route"]
    assert [(record.levelno, record.exc_info) for record in caplog.records] == [
        (logging.ERROR, None)
    ]
    now[0] += 1
    client.get("/view")
    assert len(caplog.messages) == 2


def test_the_password_is_not_logged(client, caplog):
    address = f"host=127.0.0.1 port=1 user=orders password={PASSWORD} connect_timeout=2"
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(address)
    raised[:] = [caused_by(OperationalError(*caught.value.args), caught.value)]
    response = client.get("/view")
    assert "refused" in caplog.text
    assert PASSWORD not in caplog.text + response.text
