"""Attacks by strangers, as raw HTTP against the running services."""

import re
import socket
from contextlib import ExitStack, suppress
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from conftest import until
from infrastructure import machine_token

FORM = "application/x-www-form-urlencoded"


def post(url, body, **options):
    headers = {"Content-Type": FORM}
    return requests.post(url, body, headers=headers, timeout=30, allow_redirects=False, **options)


def exchange(url, headers, body=b"", method="POST", source=""):
    """Send a request with exactly these headers; return the bytes of the response."""
    parts = urlsplit(url)
    line = f"{method} {parts.path or '/'} HTTP/1.1"
    lines = [line, f"Host: {parts.netloc}", "Connection: close", *headers]
    server, source_address = (parts.hostname, parts.port), (source, 0)
    with socket.create_connection(server, 30, source_address) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return connection.makefile("rb").read()


def send_raw(url, headers):
    """Send a POST without a body; return the status of the response."""
    return int(exchange(url, headers).split()[1])


def test_the_token_endpoint_does_not_tell_whether_a_password_is_right(stack):
    answers = [
        post(
            f"{stack.url}/o/token/",
            urlencode(
                {
                    "grant_type": "password",
                    "client_id": stack.env["DEMO_BROWSER_CLIENT_ID"],
                    "username": stack.env["DEMO_USERNAME"],
                    "password": password,
                }
            ),
        )
        for password in (stack.env["DEMO_PASSWORD"], "wrong")
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].content == answers[1].content == b'{"error": "unsupported_grant_type"}'


@pytest.mark.parametrize("path", ["/o/token/", "/o/device-authorization/", "/accounts/login/"])
def test_a_large_body_is_refused(stack, path):
    headers = [f"Content-Type: {FORM}", "Content-Length: 2400000"]
    assert send_raw(stack.url + path, headers) == 413


def test_a_chunked_body_reaches_the_token_endpoint(stack):
    body = urlencode({"grant_type": "password"}).encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    headers = [f"Content-Type: {FORM}", "Transfer-Encoding: chunked"]
    response = exchange(f"{stack.url}/o/token/", headers, chunked)
    assert b'{"error": "unsupported_grant_type"}' in response


def test_a_cookie_of_another_site_keeps_the_session(stack, browser):
    log_in_page = f"{stack.url}/accounts/login/"
    browser.open(log_in_page)
    browser.log_in(stack.env["DEMO_USERNAME"], stack.env["DEMO_PASSWORD"])
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.session.cookies)
    request = [f"Cookie: city=Z\xfcrich; {cookies}"]
    response = exchange(f"{stack.url}/", request, method="GET")
    assert stack.env["DEMO_USERNAME"].encode() in response


def test_a_byte_above_0x7f_in_a_token_is_answered_as_a_malformed_header(stack, first):
    response = exchange(stack.api(first["name"]), ["Authorization: Bearer caf\xe9"], method="GET")
    assert response.startswith(b"HTTP/1.1 400 ")
    assert b'error="invalid_request"' in response


def test_unfinished_bodies_at_the_token_endpoint_hold_no_thread(stack, first, get):
    parts = urlsplit(stack.url)
    with ExitStack() as senders:
        for _ in range(9):
            connection = senders.enter_context(
                socket.create_connection((parts.hostname, parts.port), timeout=30)
            )
            lines = ["POST /o/token/ HTTP/1.1", f"Host: {parts.netloc}", "Content-Length: 50"]
            connection.sendall("\r\n".join([*lines, "", "five5"]).encode())
        token = machine_token(stack, f"{first['name']}:read")
        assert get(stack.api(first["name"]), token).status_code == 200


def test_good_tokens_are_accepted_beside_garbage_from_the_same_address(stack, first):
    def status(token):
        url, headers = stack.api(first["name"]), [f"Authorization: Bearer {token}"]
        # Of other tests' tokens none comes from this address.
        return int(exchange(url, headers, method="GET", source="127.0.0.9").split()[1])

    assert status(machine_token(stack, f"{first['name']}:read")) == 200
    garbage = [status(f"garbage{number}") for number in range(100)]
    new = [status(machine_token(stack, f"{first['name']}:read")) for _ in range(5)]
    assert ({*garbage}, new) == ({401, 503}, [200] * 5)


def test_a_device_stores_no_repeated_scopes(stack, first):
    body = urlencode(
        {
            "client_id": stack.env["DEMO_DEVICE_CLIENT_ID"],
            "scope": " ".join([f"{first['name']}:read"] * 5_000),
        }
    )
    assert post(f"{stack.url}/o/device-authorization/", body).status_code in (400, 413)


def test_guesses_at_the_login_page_are_limited(stack):
    page = "/accounts/login/"
    session = requests.Session()
    form = session.get(stack.url + page, timeout=30).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]
    fields = {"login": "somebody@example.com", "password": "wrong"}
    statuses = [
        session.post(
            stack.url + page, fields | {"csrfmiddlewaretoken": token}, timeout=30
        ).status_code
        for _ in range(12)
    ]
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == 429


# ---- No traceback ----

NESTED = b"[" * 100_000
JSON = "Content-Type: application/json"
# Method, path, headers and body. "{token}" is a good access token of the first resource server.
AT_BOTH = [
    *(("GET", "/unknown", [f"Host: {host}"], b"") for host in ("evil.test", "a b", "[", "x" * 300)),
    ("GET", "/unknown", [], b""),
    *(("GET", f"/{path}", ["Host"], b"") for path in ("%00", "%ff", "%", "a" * 4000, "?%00=%ff")),
    ("GET", "/unknown", ["Host", "Cookie: a=\\000; b=\xff; =; csrftoken=x"], b""),
    ("GET", "/unknown", ["Host", "Accept: \xff", "Accept-Language: " + "x," * 3000], b""),
    ("TRACE", "/unknown", ["Host"], b""),
    ("POST", "/unknown", ["Host", "Content-Length: -1"], b""),
]
MULTIPART = "Content-Type: multipart/form-data"
AT_THE_AUTHORIZATION_SERVER = [
    (method, path, ["Host", *headers], body)
    for method, path, headers, body in [
        *(
            ("POST", path, [f"{MULTIPART}{rest}"], body)
            for path in ("/accounts/login/", "/admin/login/", "/o/token/", "/o/introspect/")
            for rest in ("", "; boundary=", "; boundary=\xff", "; boundary=x")
            for body in (b"x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n')
        ),
        *(
            ("POST", path, [f"Content-Type: {kind}"], body)
            for path in ("/accounts/login/", "/o/token/", "/o/introspect/", "/o/revoke_token/")
            for kind in (
                FORM,
                f"{FORM}; charset=utf-7",
                f"{FORM}; charset=\xff",
                "application/json",
            )
            for body in (NESTED[:60_000], b"%00=%00&%ff", b"login=%00&password=%00", b"\xff\x00")
        ),
        ("POST", "/accounts/login/", [f"Content-Type: {FORM}"], b"a=1&" * 5000),
        ("GET", "/accounts/login/?next=%00", [], b""),
        *(
            ("GET", path, ["Cookie: authorization_server_session=" + "\\000" * 20], b"")
            for path in ("/", "/accounts/login/", "/admin/", "/o/authorize/", "/o/device/")
        ),
        ("GET", "/o/authorize/?client_id=%00&redirect_uri=%00", [], b""),
        ("GET", "/o/authorize/?claims=" + "[" * 4000, [], b""),
        ("GET", "/o/logout/?id_token_hint=a.b.c&client_id=%00", [], b""),
        ("GET", "/o/userinfo/", ["Authorization: Bearer \xff"], b""),
        ("GET", "/admin/login/?next=//evil.test&%00", [], b""),
        ("POST", "/o/token/", [f"Content-Type: {FORM}", "Authorization: Basic \xff"], b"a=b"),
    ]
]
AT_A_RESOURCE_SERVER = [
    (method, path, ["Host", "Authorization: Bearer {token}", *headers], body)
    for method, path, headers, body in [
        ("POST", "/api/items/", [JSON], NESTED),
        ("POST", "/api/items/", [JSON], b'{"name": ' + NESTED),
        ("POST", "/api/items/", [JSON], b'{"a":' * 100_000),
        ("POST", "/api/items/", [JSON], b"1" * 10_000),
        ("POST", "/api/items/", [JSON], b'{"name": "\\ud800", "quantity": NaN}'),
        ("POST", "/api/items/", [JSON], b'{"name": "\\u0000"}'),
        ("POST", "/api/items/", [JSON], b'{"name": "a", "quantity": 1' + b"0" * 500 + b"}"),
        ("POST", "/api/items/", [JSON], b"\xff\x00"),
        ("POST", "/api/items/", [JSON], b"[" + b" " * 3_000_000),
        ("POST", "/api/items/", [f"{JSON}; charset=\xff"], b"{}"),
        ("POST", "/api/items/", [f"{JSON}; charset=utf-16"], b"{}"),
        ("POST", "/api/items/", [f"{MULTIPART}; boundary=x"], b"--x"),
        ("GET", "/api/items/?name=%00&page=" + "9" * 5000, [], b""),
        ("GET", "/api/items/?min_quantity=" + "9" * 30, [], b""),
        ("GET", "/api/items/?max_quantity=-" + "9" * 400, [], b""),
        ("GET", "/api/items/?min_quantity=1e999999999", [], b""),
        ("GET", "/api/items/?page_size=%ff&page=1e9", [], b""),
        ("GET", "/api/items/" + "9" * 400 + "/", [], b""),
        ("GET", "/api/items/%00/", [], b""),
        ("PATCH", "/api/items/1/", [JSON], NESTED),
        ("GET", "/api/schema/?format=%00&lang=%00", [], b""),
    ]
]


def status_of(url, method, path, headers, body, token=""):
    """Send a request as it is; "Host" stands for a right Host header. Return the status."""
    parts = urlsplit(url)
    lines = [f"{method} {path} HTTP/1.1", "Connection: close"]
    lines += [f"Content-Length: {len(body)}"] if method in ("POST", "PATCH") else []
    for header in headers:
        lines.append(f"Host: {parts.netloc}" if header == "Host" else header)
    head = "\r\n".join([*lines, "", ""]).replace("{token}", token).encode("latin-1")
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        with suppress(OSError):  # The server may answer before it has read everything.
            connection.sendall(head + body)
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1]) if answer else None


def test_strangers_cause_no_error_and_no_traceback(stack, first):
    token = machine_token(stack, f"{first['name']}:read {first['name']}:write")
    server = stack.api(first["name"], "")
    requests_of = {
        stack.url: AT_BOTH + AT_THE_AUTHORIZATION_SERVER,
        server: AT_BOTH + AT_A_RESOURCE_SERVER,
    }
    start = stack.log.stat().st_size
    failed = []
    for url, attacks in requests_of.items():
        for attack in attacks:
            status = status_of(url, *attack, token=token)
            if status is None or not 200 <= status < 500:
                failed.append((status, *attack[:3], attack[3][:40]))
        # Its line is the last one of this service.
        requests.get(f"{url}/end-{urlsplit(url).port}", timeout=30)

    def written():
        return stack.log.read_bytes()[start:].decode(errors="replace")

    until(lambda: all(f"end-{urlsplit(url).port}" in written() for url in requests_of))
    tracebacks = [line for line in written().splitlines() if "Traceback" in line]
    assert (failed, tracebacks) == ([], [])


@pytest.mark.parametrize("body", [NESTED, b'{"name": ' + NESTED])
def test_json_that_is_nested_too_deeply_is_malformed(stack, first, body):
    token = machine_token(stack, f"{first['name']}:write")
    attack = ("POST", "/api/items/", ["Host", "Authorization: Bearer {token}", JSON], body)
    assert status_of(stack.api(first["name"], ""), *attack, token=token) == 400
