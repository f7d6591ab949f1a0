"""An identifier goes with a request, through every log line, as the one who asks has it."""

import base64
import logging
import os
import re

import pytest

from config.request_id import KeyValueFormatter, RequestIdFilter, identified

HEADER = "X-Request-ID"
LIVE = "/health/live"
TOKEN = "a-token-that-nobody-must-read"


@pytest.fixture(autouse=True)
def _middleware(settings):
    middleware = "config.request_id.RequestIdMiddleware"
    others = [name for name in settings.MIDDLEWARE if name != middleware]
    settings.MIDDLEWARE = [middleware, *others]


class Lines(logging.Handler):
    """Keeps what would be written."""

    def __init__(self):
        super().__init__()
        self.addFilter(RequestIdFilter())
        self.setFormatter(KeyValueFormatter())
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@pytest.fixture
def log():
    """Return the lines of the log, of every level."""
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def introspect(anonymous):
    """Return a function that asks about a token with the secret of a resource server, or none."""

    def introspect(secret):
        pair = f"{os.environ['ORDERS_INTROSPECTION_CLIENT_ID']}:{secret}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            HEADER: "from-orders",
        }
        return anonymous.post(
            "/o/introspect/",
            f"token={TOKEN}",
            content_type="application/x-www-form-urlencoded",
            headers=headers,
        )

    return introspect


@pytest.mark.parametrize("given", ["a", "A-1_b.c", "f" * 64])
def test_one_that_is_well_formed_is_kept(client, given):
    assert client.get(LIVE, headers={HEADER: given}).headers[HEADER] == given


@pytest.mark.parametrize("given", ["", "f" * 65, "a b", 'a"b', "a\nb", "a\n", "ä", "a=b"])
def test_any_other_is_replaced(client, given):
    response = client.get(LIVE, headers={HEADER: given})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers[HEADER])


def test_an_introspection_keeps_the_one_of_the_resource_server(introspect):
    secret = os.environ["ORDERS_INTROSPECTION_CLIENT_SECRET"]
    assert introspect(secret).headers[HEADER] == "from-orders"


def test_a_refused_introspection_is_logged_with_it(introspect, log):
    introspect("wrong-" * 8)
    assert [line for line in log if "request_id=from-orders" in line]


@pytest.mark.parametrize("secret", ["right", "wrong-" * 8])
def test_neither_token_nor_secret_is_in_any_line(introspect, log, secret):
    secret = os.environ["ORDERS_INTROSPECTION_CLIENT_SECRET"] if secret == "right" else secret
    introspect(secret)
    assert [line for line in log for one in (TOKEN, secret) if one in line] == []


def test_what_does_not_go_through_django_is_logged_with_it_too(log):
    with identified({"HTTP_X_REQUEST_ID": "abc"}) as identifier:
        logging.getLogger("test").warning("hello")
    logging.getLogger("test").warning("goodbye")
    assert identifier == "abc"
    assert ["request_id=abc" in line for line in log] == [True, False]


def test_a_record_is_one_line_whatever_is_in_it(log):
    logging.getLogger("test").warning('two\nlines, a "quote"')
    assert log[0].endswith(r'logger=test request_id=- message="two\nlines, a \"quote\""')


def test_a_traceback_is_in_the_same_line(log):
    try:
        raise KeyError("gone")
    except KeyError:
        logging.getLogger("test").exception("failed")
    assert ["KeyError" in line and "\n" not in line for line in log] == [True]
