"""gunicorn with the worker and the bridge of the project, asked by raw bytes over sockets.

They guard an upgrade of gunicorn: `service_kit.worker` overrides names that are no public API.
"""

import importlib.util
import os
import re
import signal
from contextlib import ExitStack, contextmanager

import pytest

from .raw import (
    Server,
    body_of,
    echo_of,
    head,
    read_all,
    read_response,
    status_of,
    until,
)
from .served import LIMIT

HAS_FAST = importlib.util.find_spec("gunicorn_h1c") is not None
PARSERS = [
    "python",
    pytest.param(
        "fast", marks=pytest.mark.skipif(not HAS_FAST, reason="gunicorn_h1c is not installed")
    ),
]
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module", params=PARSERS)
def parser(request):
    return request.param


@pytest.fixture(scope="module")
def server(parser, tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server"), PARSER=parser) as server:
        yield server


@pytest.fixture
def start(parser, tmp_path):
    """Return a function that starts a server with other variables."""
    return lambda **variables: Server(tmp_path, PARSER=parser, **variables)


@pytest.fixture
def gate(server):
    """Shut the gate; it is opened at the end."""
    server.counts("shut")
    yield
    server.counts("open")
    server.until(lambda counts: counts["free"] == 4)


# ---- Framing ----


def post(body, *headers, path="/echo"):
    """Return the bytes of a POST request."""
    return head("POST", path, "Connection: close", *headers) + body


def test_a_body_with_a_length_arrives(server):
    echo = echo_of(server.exchange(post(b"a=1", "Content-Length: 3")))
    assert (echo["body"], echo["CONTENT_LENGTH"]) == ("a=1", "3")


def test_a_chunked_body_arrives_with_its_length(server):
    echo = echo_of(server.exchange(post(b"3\r\na=1\r\n2\r\n23\r\n0\r\n\r\n", CHUNKED)))
    assert (echo["body"], echo["CONTENT_LENGTH"]) == ("a=123", "5")
    assert "HTTP_TRANSFER_ENCODING" not in echo


def test_a_request_without_a_body_has_the_length_0(server):
    assert echo_of(server.get("/echo"))["CONTENT_LENGTH"] == "0"


def test_trailers_of_a_chunked_body_are_no_headers(server):
    request = post(b"1\r\na\r\n0\r\nX-Late: evil\r\n\r\n", CHUNKED)
    assert "HTTP_X_LATE" not in echo_of(server.exchange(request))


def test_a_trailer_does_not_authenticate(server):
    request = post(b"1\r\na\r\n0\r\nAuthorization: Bearer evil\r\n\r\n", CHUNKED)
    assert b"Bearer evil" not in server.exchange(request)


def test_a_broken_chunk_is_not_run(server):
    before = server.counts().get("requests", 0)
    server.exchange(post(b"1\r\na\r\nzz\r\n", CHUNKED))
    assert server.counts().get("requests", 0) == before


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 3", CHUNKED],
        ["Content-Length: 3", "Content-Length: 4"],
        ["Content-Length: +3"],
        ["Content-Length: -1"],
        ["Transfer-Encoding: chunked, chunked"],
        [CHUNKED, CHUNKED],
        ["Transfer-Encoding : chunked"],
    ],
)
def test_a_body_of_doubtful_length_is_refused(server, headers):
    before = server.counts().get("requests", 0)
    response = server.exchange(post(b"3\r\na=1\r\n0\r\n\r\n", *headers))
    assert (status_of(response), b"Connection: close" in response) == (400, True)
    assert server.counts().get("requests", 0) == before


def test_a_transfer_coding_that_is_not_chunked_is_not_implemented(server):
    response = server.exchange(post(b"1\r\na\r\n0\r\n\r\n", "Transfer-Encoding: gzip, chunked"))
    assert status_of(response) == 501


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head("GET", "/" + "a" * 9000), 414),
        (head("GET", "/echo", "X-Long: " + "a" * 17_000), 431),
        (head("GET", "/echo", *(f"X-{number}: a" for number in range(70))), 431),
        (head("GET", "/echo", "X-Bad: a\0b"), 400),
        (head("GET", "/echo", "X-B\xfcd: a"), 400),
        (head("GET", "/caf\xe9"), 400),
        (head("GET", "/echo", "Host: other.example.com"), 400),
        (head("CONNECT", "service.example.com:443", "Connection: close"), 400),
        (head("OPTIONS", "*", "Connection: close"), 400),
        (b"GET /echo\r\n\r\n", 400),
    ],
)
def test_a_head_that_is_too_large_or_malformed_is_refused(server, request_head, status):
    assert status_of(server.exchange(request_head)) == status


@pytest.mark.parametrize("path", ["/echo", "/native/counts"])
@pytest.mark.parametrize(("version", "status"), [("1.1", 400), ("1.0", 200)])
def test_a_request_needs_a_host_since_http_1_1(server, path, version, status):
    request = f"GET {path} HTTP/{version}\r\nConnection: close\r\n\r\n"
    assert status_of(server.exchange(request.encode())) == status


def test_a_token_of_16000_characters_fits_into_a_header(server):
    value = f"Bearer {'x' * 16_000}"
    assert echo_of(server.get("/echo", f"Authorization: {value}"))["HTTP_AUTHORIZATION"] == value


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as connection:
        connection.sendall(
            b"".join(
                head("POST", f"/{number}", "Content-Length: 1") + b"%d" % number
                for number in range(9)
            )
            + head("GET", "/last", "Connection: close")
        )
        answers = read_all(connection)
    paths = [f'"PATH_INFO": "/{name}"'.encode() for name in [*range(9), "last"]]
    positions = [answers.find(path) for path in paths]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_a_client_that_waits_for_100_continue_gets_it(server):
    with server.connect() as connection:
        connection.sendall(
            head("POST", "/echo", "Content-Length: 1", "Expect: 100-continue", "Connection: close")
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"a")
        assert echo_of(read_all(connection))["body"] == "a"


# ---- Headers and paths ----


def test_a_byte_above_0x7f_in_a_header_is_latin_1(server):
    echo = echo_of(server.get("/echo", "Cookie: city=Z\xfcrich; session=s", "X-Name: caf\xe9"))
    assert echo["HTTP_COOKIE"] == "city=Z\xfcrich; session=s"
    assert echo["HTTP_X_NAME"] == "caf\xe9"


def test_a_header_name_with_an_underscore_is_dropped(server):
    echo = echo_of(
        server.get("/echo", "X_Forwarded_For: 6.6.6.6", "Content_Length: 7", "X-Request_ID: a")
    )
    assert {"HTTP_X_FORWARDED_FOR", "HTTP_CONTENT_LENGTH", "HTTP_X_REQUEST_ID"}.isdisjoint(echo)
    assert echo["CONTENT_LENGTH"] == "0"


def test_repeated_headers_are_joined(server):
    echo = echo_of(server.get("/echo", "X-A: 1", "X-A: 2", "Cookie: a=1", "Cookie: b=2"))
    assert (echo["HTTP_X_A"], echo["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_two_authorization_headers_are_refused(server):
    response = server.get("/echo", "Authorization: Bearer a", "Authorization: Bearer b")
    assert status_of(response) == 400
    assert b'"error": "invalid_request"' in response


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/caf%C3%A9", "/caf\xc3\xa9"),
        ("/caf%E9", "/caf\xe9"),
        ("/a%2Fb?c=%20", "/a/b"),
        ("//double", "//double"),
        ("http://other.example.com/absolute?c=%20", "/absolute"),
        ("http://other.example.com", "/"),
    ],
)
def test_path_info_are_the_bytes_of_the_path_as_latin_1(server, target, path):
    echo = echo_of(server.get(target))
    assert echo["PATH_INFO"] == path
    assert echo["QUERY_STRING"] == ("c=%20" if "?" in target else "")


def test_the_host_of_an_absolute_target_is_the_host(server):
    echo = echo_of(server.get("http://other.example.com/absolute"))
    assert echo["HTTP_HOST"] == "other.example.com"


def test_the_scheme_is_not_for_a_client_to_set(server):
    before = echo_of(server.get("/echo"))
    echo = echo_of(server.get("/echo", "X-Forwarded-Proto: https", "X-Forwarded-For: 6.6.6.6"))
    assert echo["REMOTE_ADDR"] == before["REMOTE_ADDR"] == "127.0.0.1"


def test_a_web_socket_is_refused(server):
    response = server.get(
        "/echo",
        "Upgrade: websocket",
        "Connection: upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert status_of(response) in (400, 403)


# ---- Responses ----


def test_a_response_without_a_length_gets_one(server):
    response = server.get("/echo")
    assert b"Content-Length: %d\r\n" % len(body_of(response)) in response


def test_head_gets_the_length_without_the_body(server):
    response = server.exchange(head("HEAD", "/write", "Connection: close"))
    assert b"Content-Length: 20\r\n" in response
    assert body_of(response) == b""


def test_written_pieces_precede_the_returned_ones(server):
    assert body_of(server.get("/write")) == b"written and returned"


def test_a_generator_may_call_start_response_late(server):
    response = server.get("/late")
    assert status_of(response) == 201
    assert response.endswith(b"4\r\nlate\r\n0\r\n\r\n")


def test_the_first_piece_of_a_stream_is_sent_before_the_second_exists(server, gate):
    with server.connect() as connection:
        connection.sendall(head("GET", "/stream", "Connection: close"))
        data = b""
        while b"first" not in data:
            data += connection.recv(1000)
        assert b"second" not in data
        server.counts("open")
        assert read_all(connection).endswith(b"6\r\nsecond\r\n0\r\n\r\n")


def test_a_stream_is_closed_at_its_end(server):
    server.counts("open")
    before = server.counts().get("closed", 0)
    server.get("/stream")
    server.until(lambda counts: counts.get("closed", 0) == before + 1)


def test_a_stream_for_head_is_closed(server):
    before = server.counts().get("closed", 0)
    assert body_of(server.exchange(head("HEAD", "/stream", "Connection: close"))) == b""
    server.until(lambda counts: counts.get("closed", 0) == before + 1)


def test_a_stream_ends_when_its_client_is_gone(server):
    before = server.counts()
    with server.connect() as connection:
        connection.sendall(head("GET", "/endless"))
        connection.recv(1000)
    server.until(lambda counts: counts.get("closed", 0) == before.get("closed", 0) + 1)


def test_an_exception_before_the_response_is_a_500(server):
    assert status_of(server.get("/raise")) == 500


def test_an_exception_within_a_stream_leaves_it_without_an_end(server):
    before = server.counts().get("closed", 0)
    response = server.get("/break")
    assert b"first" in response
    assert not response.endswith(b"0\r\n\r\n")
    server.until(lambda counts: counts.get("closed", 0) == before + 1)


# ---- Slow clients ----


def test_a_body_over_the_limit_is_refused_before_it_is_sent(server):
    response = server.exchange(post(b"", f"Content-Length: {LIMIT + 1}", "Expect: 100-continue"))
    assert (status_of(response), b"Connection: close" in response) == (413, True)
    assert b"100 Continue" not in response


def test_a_body_at_the_limit_arrives(server):
    response = server.exchange(post(b"a" * LIMIT, f"Content-Length: {LIMIT}"))
    assert len(echo_of(response)["body"]) == LIMIT


def test_a_client_that_sends_too_much_reads_its_refusal(server):
    size = 500_000
    response = server.exchange(post(b"a" * size, f"Content-Length: {size}"))
    assert status_of(response) == 413


def test_a_chunked_body_over_the_limit_is_refused(server):
    piece = b"190\r\n" + b"a" * 400 + b"\r\n"
    response = server.exchange(post(piece * 3 + b"0\r\n\r\n", CHUNKED))
    assert status_of(response) == 413


def test_a_request_whose_client_hangs_up_within_the_body_is_not_run(server):
    before = server.counts().get("requests", 0)
    with server.connect() as connection:
        connection.sendall(head("POST", "/echo", "Content-Length: 50") + b"five5")
    server.get("/echo")
    assert server.counts()["requests"] == before + 1


def test_unfinished_bodies_hold_no_thread(server):
    senders = [server.connect() for _ in range(9)]
    try:
        for sender in senders:
            sender.sendall(head("POST", "/echo", "Content-Length: 50") + b"five5")
        assert status_of(server.get("/echo")) == 200
    finally:
        for sender in senders:
            sender.close()


def test_readers_of_a_stream_who_do_not_read_hold_no_thread(server):
    readers = [server.connect() for _ in range(9)]
    try:
        for reader in readers:
            reader.sendall(head("GET", "/endless"))
            assert reader.recv(10)
        assert status_of(server.get("/echo")) == 200
    finally:
        for reader in readers:
            reader.close()


def test_a_body_that_takes_too_long_is_refused(start):
    with start(BODY_SECONDS="0.2") as server, server.connect() as connection:
        connection.sendall(head("POST", "/echo", "Content-Length: 50") + b"five5")
        response = read_all(connection)
        assert (status_of(response), b"Connection: close" in response) == (408, True)


@pytest.mark.parametrize("first", [b"", b"GET /echo HTTP/1.1\r\nHost: a"])
def test_a_connection_without_a_whole_head_is_closed(start, first):
    with start(HEAD_SECONDS="0.2") as server, server.connect() as connection:
        connection.sendall(first)
        assert read_all(connection) == b""


def test_the_deadline_of_the_head_does_not_end_a_request(start):
    with start(HEAD_SECONDS="0.2", BODY_SECONDS="60") as server:
        with server.connect() as silent, server.connect() as connection:
            connection.sendall(head("POST", "/echo", "Content-Length: 1", "Connection: close"))
            assert read_all(silent) == b""  # the deadline of both is over
            connection.sendall(b"a")
            assert echo_of(read_all(connection))["body"] == "a"


@pytest.mark.parametrize("more", [b"", b"GET /echo HTTP/1.1\r\nHost: a"])
def test_a_connection_is_closed_when_it_has_been_idle_for_too_long(start, more):
    with start(KEEPALIVE="1") as server, server.connect() as connection:
        connection.sendall(head("GET", "/echo"))
        assert status_of(read_response(connection)) == 200
        connection.sendall(more)
        assert read_all(connection) == b""


def test_a_request_that_takes_longer_than_an_idle_connection_may_is_answered(start):
    with start(KEEPALIVE="1", BODY_SECONDS="60") as server, server.connect() as connection:
        connection.sendall(head("GET", "/echo"))
        read_response(connection)
        connection.sendall(head("POST", "/echo", "Content-Length: 1", "Connection: close"))
        with server.connect() as idle:
            idle.sendall(head("GET", "/echo"))
            read_response(idle)
            assert read_all(idle) == b""  # the time of both is over
        connection.sendall(b"a")
        assert echo_of(read_all(connection))["body"] == "a"


def test_connections_over_the_limit_are_answered_503(start):
    with start(CONNECTIONS="3") as server:
        idle = [server.connect() for _ in range(3)]
        try:
            for connection in idle:
                connection.sendall(head("GET", "/echo"))
                read_response(connection)
            response = server.exchange(b"")
            assert (status_of(response), b"Retry-After: 1" in response) == (503, True)
        finally:
            for connection in idle:
                connection.close()
        until(lambda: status_of(server.get("/echo")) == 200)


# ---- More requests than threads ----


@contextmanager
def occupied(server, number):
    """Occupy both threads, the jobs ahead and the line, in this order; yield the connections."""
    with ExitStack() as stack:
        connections = []
        for index in range(number):
            connection = stack.enter_context(server.connect())
            connection.sendall(head("GET", "/wait", "Connection: close"))
            connections.append(connection)
            server.until(lambda c, index=index: 4 - c["free"] + c["line"] == index + 1)
        yield connections


def test_a_request_for_which_the_line_is_full_is_answered_503(server, gate):
    with occupied(server, 8) as waiting:
        response = server.get("/echo")
        assert (status_of(response), b"Retry-After: 1" in response) == (503, True)
        server.counts("open")
        assert [status_of(read_all(connection)) for connection in waiting] == [200] * 8


def test_a_coroutine_answers_while_every_thread_is_busy(server, gate):
    with occupied(server, 8):
        assert server.counts()["line"] == 4


def test_a_client_that_hangs_up_leaves_the_line(server, gate):
    with occupied(server, 8) as waiting:
        for connection in waiting[4:]:
            connection.close()
        server.until(lambda counts: counts["line"] == 0)
        before = server.counts()["requests"]
        server.counts("open")
        for connection in waiting[:4]:
            read_all(connection)
    server.until(lambda counts: counts["free"] == 4)
    assert server.counts()["requests"] <= before + 2  # the two that stood ahead


def test_a_request_that_has_waited_too_long_is_answered_503(start):
    with start(WAIT_SECONDS="0.2") as server, occupied(server, 5) as waiting:
        response = read_all(waiting[4])
        assert (status_of(response), b"Retry-After: 1" in response) == (503, True)
        server.counts("open")
        assert [status_of(read_all(connection)) for connection in waiting[:4]] == [200] * 4


# ---- Stop and restart ----


def test_a_stop_closes_idle_connections_and_finishes_requests(start):
    with start() as server, server.connect() as idle, server.connect() as busy:
        idle.sendall(head("GET", "/echo"))
        read_response(idle)
        busy.sendall(head("GET", "/wait"))
        server.until(lambda counts: counts.get("waiting") == 1)
        with server.connect() as unfinished:
            unfinished.sendall(
                head("POST", "/native/open", "Content-Length: 1", "Expect: 100-continue")
            )
            assert unfinished.recv(1000).startswith(b"HTTP/1.1 100 ")  # it has begun
            server.process.send_signal(signal.SIGTERM)
            assert read_all(idle) == b""
            unfinished.sendall(b"a")
            response = read_all(unfinished)
            assert (status_of(response), b"Connection: close" in response) == (200, True)
        assert status_of(read_all(busy)) == 200
        assert server.process.wait(timeout=60) == 0


def test_a_worker_that_is_killed_is_replaced(start):
    with start() as server:
        pid = server.counts()["pid"]
        os.kill(pid, signal.SIGKILL)
        until(lambda: server.counts()["pid"] != pid)


APPLICATION = """
async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%s"})
"""


@pytest.fixture
def reloading(start, tmp_path):
    """Return a server that watches a folder, and its application's file."""
    folder = tmp_path / "watched"
    folder.mkdir()
    file = folder / "changing.py"
    file.write_text(APPLICATION % "old", encoding="utf-8")
    path = os.pathsep.join([".", "src", str(folder)])
    variables = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "WATCHED": str(folder)}
    with start(application="changing", **variables) as server:
        until(lambda: b"old" in server.get("/"))
        yield server, file


def test_a_change_of_a_file_restarts_the_service(reloading):
    server, file = reloading
    file.write_text(APPLICATION % "new", encoding="utf-8")
    until(lambda: b"new" in server.get("/"))


@pytest.mark.parametrize("fault", ["def application(:", "unknown_name", "import no_such_module"])
def test_an_application_with_a_fault_says_so_until_it_is_mended(reloading, fault):
    server, file = reloading
    file.write_text(fault, encoding="utf-8")
    until(lambda: b"Application error: " in server.get("/"))
    file.write_text(APPLICATION % "mended", encoding="utf-8")
    until(lambda: b"mended" in server.get("/"))


IMPROPER = """
from django.core.exceptions import ImproperlyConfigured
raise ImproperlyConfigured("NAME is not set.")
"""


def test_a_wrong_setting_ends_the_service_with_one_sentence(start, tmp_path):
    (tmp_path / "improper.py").write_text(IMPROPER, encoding="utf-8")
    path = os.pathsep.join([".", "src", str(tmp_path)])
    with start(application="improper", PYTHONPATH=path) as server:
        assert server.process.wait(timeout=60) != 0
        log = server.log.read_text()
    assert "NAME is not set. (manage.py check --traceback shows where.)\n" in log
    assert "Traceback" not in log


def test_the_access_log_has_no_query(start):
    with start(WEB_ACCESS_LOG="true") as server:
        server.get("/echo?token=secret", "User-Agent: a")
        until(lambda: "GET /echo 200 " in server.log.read_text())
        assert "secret" not in server.log.read_text()


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/refuse/challenge", "GET /refuse/challenge 401 invalid_token "),
        ("/refuse/no_token", "GET /refuse/no_token 401 no token "),
        ("/refuse/json", "GET /refuse/json 401 invalid_client "),
        ("/refuse/redirect", "GET /refuse/redirect 302 access_denied "),
    ],
)
def test_a_refusal_has_its_reason_in_the_access_log(start, path, line):
    with start(WEB_ACCESS_LOG="true") as server:
        server.get(path)
        until(lambda: line in server.log.read_text())


def test_probes_that_succeed_are_not_in_the_access_log(start):
    with start(WEB_ACCESS_LOG="true") as server:
        server.get("/health/live")
        server.get("/echo")
        until(lambda: "GET /echo" in server.log.read_text())
        assert "/health/live" not in server.log.read_text()


def test_a_connection_is_kept_while_the_disk_of_the_access_log_is_full(start, tmp_path):
    (tmp_path / "log").symlink_to("/dev/full")
    with start(WEB_ACCESS_LOG="true") as server, server.connect() as connection:
        statuses = []
        for _ in range(3):
            connection.sendall(head("GET", "/echo"))
            statuses.append(status_of(read_response(connection)))
    assert statuses == [200] * 3


def test_in_development_a_security_event_is_in_the_line_of_its_request(start):
    with start(WEB_ACCESS_LOG="true", ENVIRONMENT="development") as server:
        server.get("/event", "X-Request-ID: abc")
        server.get("/echo")
        until(lambda: "GET /echo" in server.log.read_text())
        first, second = server.log.read_text().splitlines()
    event = r"GET /event 401 no token [0-9.]+ ms; client-refused client=b"
    assert re.fullmatch(event, first)
    assert re.fullmatch(r"GET /echo 200 [0-9.]+ ms", second)


def test_in_production_a_security_event_is_a_line_of_its_own(start):
    with start(WEB_ACCESS_LOG="true", ENVIRONMENT="production") as server:
        server.get("/event")
        until(lambda: "GET /event" in server.log.read_text())
        event, request = server.log.read_text().splitlines()
    assert event == "client-refused client=b"
    assert re.fullmatch(r"GET /event 401 no token [0-9.]+ ms", request)


def test_a_device_that_waits_is_not_in_the_access_log(start):
    with start(WEB_ACCESS_LOG="true") as server:
        server.get("/refuse/pending")
        server.get("/echo")
        until(lambda: "GET /echo" in server.log.read_text())
        assert "pending" not in server.log.read_text()
