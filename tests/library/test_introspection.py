"""`IntrospectionClient` asks: what it sends, what it makes of each answer, and its connections."""

import base64
import json
import socket
import struct

import pytest
from oauth_resource_server import (
    AuthorizationServerUnavailable,
    IntrospectionCredentialsRefused,
    IntrospectionResponseInvalid,
    TokenValidationError,
)
from oauth_resource_server.conf import Conf
from oauth_resource_server.http.client import MAX_BODY_BYTES, HTTPClient
from oauth_resource_server.issuers.introspection import IntrospectionClient, authorization
from oauth_resource_server.issuers.settings import IssuerSettings
from oauth_resource_server.resilience.bulkhead import within

TOKEN = "a-token"
SECRET = "s3cret"


def asking(url, **options):
    """A client with more patience than any machine needs that is busy, unless told otherwise."""
    timeouts = {"connect_timeout": 30, "read_timeout": 30, "total_timeout": 60}
    timeouts = {name: options.pop(name, seconds) for name, seconds in timeouts.items()}
    issuer = IssuerSettings(iss="https://as.example.com", **options)
    return IntrospectionClient(HTTPClient(url, Conf(**timeouts)), issuer)


@pytest.fixture
def client(authorization_server):
    return asking(authorization_server.url, credentials=("orders-introspection", SECRET))


@pytest.fixture
def impatient(authorization_server):
    """A client that waits for an answer no longer than a test can wait for its end."""
    return asking(authorization_server.url, bearer_token="x", read_timeout=1)


@pytest.fixture
def sent(authorization_server, client):
    """What one introspection sends."""
    client.introspect(TOKEN)
    return authorization_server.requests[0]


def failure(client):
    with pytest.raises(TokenValidationError) as raised:
        client.introspect(TOKEN)
    return raised.value


def times_asked(authorization_server):
    assert authorization_server.asked.wait(30)
    return len(authorization_server.requests)


def basic(header):
    return base64.b64decode(header.removeprefix("Basic ")).decode()


# What it sends.


def test_it_sends_the_token_with_its_hint(sent):
    assert sent.form == {"token": TOKEN, "token_type_hint": "access_token"}


def test_it_asks_for_json(sent):
    assert sent.headers["Accept"] == "application/json"


def test_it_sends_a_form(sent):
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_it_asks_the_path_of_the_url(sent):
    assert sent.path == "/o/introspect/"


def test_it_keeps_the_query_of_the_url(authorization_server):
    asking(f"{authorization_server.url}?tenant=1", bearer_token="x").introspect(TOKEN)
    assert authorization_server.requests[0].path == "/o/introspect/?tenant=1"


def test_it_authenticates_with_its_credentials(sent):
    assert basic(sent.headers["Authorization"]) == f"orders-introspection:{SECRET}"


def header_with(secret):
    return f"Basic {base64.b64encode(f'orders:{secret}'.encode()).decode()}"


@pytest.fixture
def secret_file(tmp_path):
    """A file that does not exist yet."""
    return tmp_path / "secret"


@pytest.fixture
def header(secret_file):
    """A function that returns the header of the next request."""
    issuer = IssuerSettings(
        iss="https://as.example.com", credentials=("orders", SECRET), secret_file=str(secret_file)
    )
    return lambda: authorization(issuer)


def test_the_secret_of_a_file_is_read_again_when_it_changes(secret_file, header):
    secret_file.write_text("first\n")
    before = header()
    secret_file.write_text("second\n")
    assert (before, header()) == (header_with("first"), header_with("second"))


@pytest.mark.parametrize("content", [None, b"", b"\xff"], ids=["missing", "empty", "binary"])
def test_without_a_secret_in_its_file_the_one_of_the_settings_is_used(secret_file, header, content):
    if content is not None:
        secret_file.write_bytes(content)
    assert header() == header_with(SECRET)


def test_special_characters_in_credentials_are_encoded_as_rfc_6749_says(authorization_server):
    client = asking(authorization_server.url, credentials=("a:b", "c+d %/é"))
    client.introspect(TOKEN)
    header = authorization_server.requests[0].headers["Authorization"]
    assert basic(header) == "a%3Ab:c%2Bd+%25%2F%C3%A9"


def test_it_sends_the_headers_of_the_setting(authorization_server, client_with, configure):
    configure(REQUEST_HEADERS=f"{__name__}.request_headers")
    client_with(TOKEN).get("/default/")
    assert authorization_server.requests[0].headers["X-Request-ID"] == "abc"


def request_headers():
    return {"X-Request-ID": "abc"}


def test_it_sends_no_further_headers_without_the_setting(sent):
    assert "X-Request-ID" not in sent.headers


def test_it_can_authenticate_with_a_bearer_token(authorization_server):
    asking(authorization_server.url, bearer_token="mine").introspect(TOKEN)
    assert authorization_server.requests[0].headers["Authorization"] == "Bearer mine"


# What it makes of the answers.


def test_it_returns_the_answer(authorization_server, client):
    authorization_server.issue(TOKEN)
    assert client.introspect(TOKEN) == authorization_server.tokens[TOKEN]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
def test_an_overloaded_or_broken_authorization_server_is_unavailable(
    authorization_server, client, status
):
    authorization_server.answer_with(status)
    assert type(failure(client)) is AuthorizationServerUnavailable


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_told_apart(authorization_server, client, status):
    authorization_server.answer_with(status)
    assert type(failure(client)) is IntrospectionCredentialsRefused


@pytest.mark.parametrize("status", [201, 204, 301, 302, 303, 307, 308, 400, 404, 405, 415])
def test_any_other_status_is_no_answer(authorization_server, client, status):
    authorization_server.answer_with(status, Location="/elsewhere/")
    assert type(failure(client)) is IntrospectionResponseInvalid


def test_a_redirect_is_not_followed(authorization_server, client):
    authorization_server.answer_with(307, Location=authorization_server.url)
    failure(client)
    assert len(authorization_server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b'"active"',
        b'{"active": true',
        b"\xff\xfe\xfd",
        b'{"a":' * 9_999,
        b'{"exp": ' + b"9" * 9_999 + b"}",
    ],
    ids=["empty", "html", "null", "list", "string", "cut", "binary", "deep", "number"],
)
def test_a_body_that_is_no_json_object_is_invalid(authorization_server, client, body):
    authorization_server.answer_with(200, body)
    assert type(failure(client)) is IntrospectionResponseInvalid


def test_a_body_of_the_greatest_size_is_read(authorization_server, client):
    body = json.dumps({"active": False}).encode().ljust(MAX_BODY_BYTES)
    authorization_server.answer_with(200, body)
    assert client.introspect(TOKEN) == {"active": False}


def test_a_larger_body_is_invalid(authorization_server, client):
    body = json.dumps({"active": False}).encode().ljust(MAX_BODY_BYTES + 1)
    authorization_server.answer_with(200, body)
    assert type(failure(client)) is IntrospectionResponseInvalid


def test_an_authorization_server_that_stalls_is_unavailable(authorization_server, impatient):
    authorization_server.stall()
    assert type(failure(impatient)) is AuthorizationServerUnavailable


def test_one_that_stalls_is_asked_only_once(authorization_server, impatient):
    authorization_server.stall()
    failure(impatient)
    assert times_asked(authorization_server) == 1


def test_one_that_stalls_in_the_body_is_unavailable(authorization_server, impatient):
    authorization_server.stall_in_the_body()
    assert type(failure(impatient)) is AuthorizationServerUnavailable


def test_one_that_hangs_up_in_the_body_is_unavailable(authorization_server, client):
    authorization_server.cut_off_in_the_body()
    assert type(failure(client)) is AuthorizationServerUnavailable


def test_one_that_hangs_up_without_an_answer_is_unavailable(authorization_server, client):
    authorization_server.hang_up(times=99)
    assert type(failure(client)) is AuthorizationServerUnavailable


def test_a_connection_that_was_closed_meanwhile_is_replaced(authorization_server, client):
    authorization_server.hang_up(times=1)
    assert client.introspect(TOKEN) == {"active": False}


@pytest.mark.parametrize("fault", ["cut_off_in_the_body", "stall_in_the_body"])
def test_one_that_has_begun_to_answer_is_not_asked_again(authorization_server, impatient, fault):
    getattr(authorization_server, fault)()
    failure(impatient)
    assert times_asked(authorization_server) == 1


def test_one_that_has_sent_a_single_line_is_not_asked_again(authorization_server, impatient):
    authorization_server.drip(b"HTTP/1.1 200 OK\r\nContent")
    failure(impatient)
    assert times_asked(authorization_server) == 1


def test_one_that_hangs_up_is_asked_twice_and_no_more(authorization_server, client):
    authorization_server.hang_up(times=99)
    failure(client)
    assert len(authorization_server.requests) == 2


def test_a_connection_that_was_reset_meanwhile_is_replaced(authorization_server, client):
    def reset(handler):
        linger = struct.pack("ii", 1, 0)  # Closing sends RST now.
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.close_connection = True
        authorization_server.behaviour = authorization_server.introspect

    authorization_server.behaviour = reset
    assert client.introspect(TOKEN) == {"active": False}


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b" " * 999, b"HTTP/1.1 " + b"x" * 999],
    ids=["body", "headers"],
)
def test_one_that_drips_is_unavailable_when_the_total_time_is_over(authorization_server, answer):
    client = asking(authorization_server.url, bearer_token="x", total_timeout=0.1)
    authorization_server.drip(answer)
    assert "timed out" in str(failure(client).original_error)


def test_one_that_does_not_listen_is_unavailable():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = asking(f"http://127.0.0.1:{closed.getsockname()[1]}/", bearer_token="x")
        assert type(failure(client)) is AuthorizationServerUnavailable


def test_one_that_does_not_speak_http_is_unavailable(authorization_server, client):
    authorization_server.behaviour = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    assert type(failure(client)) is AuthorizationServerUnavailable


def test_one_without_an_address_is_unavailable():
    client = asking("http://as.invalid/o/introspect/", bearer_token="x")
    assert type(failure(client)) is AuthorizationServerUnavailable


# What an error holds.


def test_an_error_holds_the_url(authorization_server, client):
    authorization_server.answer_with(500)
    assert failure(client).url == authorization_server.url


def test_an_error_holds_the_status(authorization_server, client):
    authorization_server.answer_with(418)
    assert failure(client).status == 418


def test_an_error_holds_what_was_raised(authorization_server, impatient):
    authorization_server.stall()
    assert "timed out" in str(failure(impatient).original_error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("9999999", None)],
)
def test_an_error_holds_how_long_to_wait(authorization_server, client, header, seconds):
    authorization_server.answer_with(503, Retry_After=header)
    assert failure(client).retry_after == seconds


def test_an_error_without_such_a_header_does_not_say_how_long_to_wait(authorization_server, client):
    authorization_server.answer_with(503)
    assert failure(client).retry_after is None


@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_an_error_holds_neither_token_nor_secret(authorization_server, client, status):
    authorization_server.answer_with(status)
    error = failure(client)
    assert not [secret for secret in (TOKEN, SECRET) if secret in f"{error!r} {vars(error)}"]


# Its connections.


def test_many_introspections_use_one_connection(authorization_server, client):
    for number in range(20):
        client.introspect(f"token-{number}")
    assert authorization_server.connections == 1


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500, 503])
def test_a_refusal_keeps_the_connection(authorization_server, client, status):
    authorization_server.answer_with(status, b"no")
    failure(client)
    failure(client)
    assert authorization_server.connections == 1


@pytest.mark.parametrize("fault", ["stall", "stall_in_the_body", "cut_off_in_the_body"])
def test_the_next_answer_after_a_fault_is_the_right_one(authorization_server, client, fault):
    getattr(authorization_server, fault)()
    with within(1):
        failure(client)
    authorization_server.behaviour = authorization_server.introspect
    assert client.introspect(TOKEN) == {"active": False}


@pytest.mark.parametrize("status", [200, 500])
def test_the_next_answer_after_a_huge_one_is_the_right_one(authorization_server, client, status):
    authorization_server.answer_with(status, b"x" * 10 * MAX_BODY_BYTES)
    failure(client)
    authorization_server.behaviour = authorization_server.introspect
    assert client.introspect(TOKEN) == {"active": False}
