"""What a stranger's request costs: less CPU than 20 ms, at every address and for any body.

CPU time is compared with that of a hash in the same process, so that neither a slow nor a busy
machine changes the result.
"""

import hashlib
import re
import time
from statistics import median

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, get_resolver
from oauth.requests import MAX_BODY_SIZE
from tests.flows import FORM, basic, bearer

# 20 ms of CPU on the machine where the limit was chosen.
ITERATIONS = 100_000
REPEATS = 5

pytestmark = pytest.mark.usefixtures("registered")


def cost_of(function):
    """Return the CPU time of one call in seconds: the median, after a call that warms up."""
    function()
    costs = []
    for _ in range(REPEATS):
        start = time.process_time()
        function()
        costs.append(time.process_time() - start)
    return median(costs)


def addresses(resolver, prefix="/"):
    """Yield the paths of all URL patterns, with an example for each argument."""
    for pattern in resolver.url_patterns:
        path = prefix + example_of(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield path
        else:
            yield from addresses(pattern, path)


def example_of(pattern):
    """Return a path that `pattern` matches."""
    text = re.sub(r"<(?:\w+:)?\w+>", "1", str(pattern))
    return re.sub(r"\(\?P1[^)]*\)", "auth", text).strip("^").replace(r"\Z", "").rstrip("$")


PATHS = sorted({*addresses(get_resolver()), "/unknown"})
# A JWT whose signature has to be verified before it is refused.
HINT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJkZW1vLWJyb3dzZXIifQ." + "c" * 342
FIELDS = b"&".join(
    b"field%d=%%41%d" % (number, number) for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
)
LONG = b"scope=" + b"%20a" * 500 + b"&client_id=demo-device&token=" + b"%2F" * 16_000
CLIENT = Client()  # one for all requests: a new one would load the middleware again
CREDENTIALS = bearer("a" * 16_000) | {"Cookie": "authorization_server_session=" + "a" * 32}
QUERY = {"id_token_hint": HINT, "client_id": "demo-browser", "next": "/" * 4000}


def post(body, content_type=FORM, headers=None):
    """Return a function that posts `body` to a path."""
    return lambda path: CLIENT.post(path, body, content_type=content_type, headers=headers)


REQUESTS = {
    "GET": CLIENT.get,
    "GET with credentials": lambda path: CLIENT.get(path, QUERY, headers=CREDENTIALS),
    "POST": post(b""),
    "POST of many fields": post(FIELDS),
    "POST of long fields": post(LONG),
    "POST of too much": post(b"a" * (MAX_BODY_SIZE + 1)),
    "POST of JSON": post(b"[" * MAX_BODY_SIZE, "application/json"),
    "POST with a wrong secret": post(
        b"grant_type=client_credentials&token=a", headers=basic("demo-machine", "wrong")
    ),
}


@pytest.fixture(scope="module")
def limit():
    """Return the CPU time in seconds of which a request must take less."""
    return cost_of(lambda: hashlib.pbkdf2_hmac("sha256", b"password", b"salt", ITERATIONS))


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_no_anonymous_request_costs_more_than_20_ms(request_, limit):
    costs = {path: cost_of(lambda path=path: request_(path)) for path in PATHS}
    assert {path: cost for path, cost in costs.items() if cost > limit} == {}


def test_every_page_and_endpoint_is_measured():
    assert {"/", "/accounts/login/", "/admin/login/", "/o/token/", "/o/authorize/"} <= set(PATHS)
    assert "/o/device-confirm/1/1" in PATHS
