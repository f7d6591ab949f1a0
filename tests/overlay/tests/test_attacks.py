"""Attacks by strangers, as raw HTTP against the running services."""

import re
import socket
from urllib.parse import urlencode, urlsplit

import pytest
import requests

FORM = "application/x-www-form-urlencoded"


def post(url, body, **options):
    headers = {"Content-Type": FORM}
    return requests.post(url, body, headers=headers, timeout=30, allow_redirects=False, **options)


def send_raw(url, headers, body=b""):
    """Send a POST whose headers are exactly those of `headers`; return the status of the answer."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", *headers]
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1])


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


def test_a_chunked_body_is_refused(stack):
    headers = [f"Content-Type: {FORM}", "Transfer-Encoding: chunked"]
    body = b"18\r\ngrant_type=refresh_token&\r\n0\r\n\r\n"
    assert send_raw(f"{stack.url}/o/token/", headers, body) == 411


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
