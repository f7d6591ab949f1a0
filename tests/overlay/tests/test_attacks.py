"""Attacks by strangers, as raw HTTP against the running services."""

import re
import socket
from contextlib import ExitStack
from urllib.parse import urlencode, urlsplit

import pytest
import requests

FORM = "application/x-www-form-urlencoded"


def post(url, body, **options):
    headers = {"Content-Type": FORM}
    return requests.post(url, body, headers=headers, timeout=30, allow_redirects=False, **options)


def exchange(url, headers, body=b"", method="POST"):
    """Send a request with exactly these headers; return the bytes of the response."""
    parts = urlsplit(url)
    line = f"{method} {parts.path or '/'} HTTP/1.1"
    lines = [line, f"Host: {parts.netloc}", "Connection: close", *headers]
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
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
        token = stack.machine_token(f"{first['name']}:read")
        assert get(stack.api(first["name"]), token).status_code == 200


def test_a_device_stores_no_repeated_scopes(stack, first):
    body = urlencode(
        {
            "client_id": stack.env["DEMO_DEVICE_CLIENT_ID"],
            "scope": " ".join([f"{first['name']}:read"] * 5_000),
        }
    )
    assert post(f"{stack.url}/o/device-authorization/", body).status_code in (400, 413)


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_guesses_at_a_login_page_are_limited(stack, page):
    session = requests.Session()
    form = session.get(stack.url + page, timeout=30).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]
    fields = {"username": f"{page.split('/')[1]}@example.com", "password": "wrong"}
    statuses = [
        session.post(
            stack.url + page, fields | {"csrfmiddlewaretoken": token}, timeout=30
        ).status_code
        for _ in range(12)
    ]
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == 429
