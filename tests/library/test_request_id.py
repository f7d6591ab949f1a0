"""An identifier goes with a request, through every log line; a token never gets into one."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.http import HttpRequest, HttpResponse
from oauth_resource_server.request_id import (
    HEADER,
    KeyValueFormatter,
    RequestIdFilter,
    RequestIdMiddleware,
    outgoing_headers,
    request_id,
)

TOKEN = "a-token-that-nobody-must-read"
SECRETS = TOKEN, "s3cret"


@pytest.fixture(autouse=True)
def _middleware(settings):
    middleware = "oauth_resource_server.request_id.RequestIdMiddleware"
    settings.MIDDLEWARE = [middleware, *settings.MIDDLEWARE]


class Lines(logging.Handler):
    """Keeps what would be written, of every logger and level."""

    def __init__(self):
        super().__init__()
        self.addFilter(RequestIdFilter())
        self.setFormatter(KeyValueFormatter())
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@pytest.fixture
def log():
    """Return the lines of a log in which everything is written."""
    handler, root, oauthlib = Lines(), logging.getLogger(), logging.getLogger("oauthlib")
    levels = root.level, oauthlib.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # As the settings of a service have it: on DEBUG it writes tokens.
    oauthlib.setLevel(logging.WARNING)
    yield handler.lines
    root.setLevel(levels[0])
    oauthlib.setLevel(levels[1])
    root.removeHandler(handler)


def ids(lines):
    """Return the different identifiers in some lines."""
    return {re.search(r" request_id=(\S+)", line)[1] for line in lines}


def through(middleware_sees, given=""):
    """Return the response to a request with the identifier `given`."""
    request = HttpRequest()
    if given:
        request.META["HTTP_X_REQUEST_ID"] = given
    return RequestIdMiddleware(middleware_sees)(request)


# The identifier.


@pytest.mark.parametrize("given", ["a", "A-1_b.c", "f" * 64])
def test_one_that_is_well_formed_is_kept(anonymous, given):
    assert anonymous.get("/open/", headers={HEADER: given}).headers[HEADER] == given


@pytest.mark.parametrize("given", ["", "f" * 65, "a b", 'a"b', "a\nb", "a\n", "ä", "a=b"])
def test_any_other_is_replaced(given):
    response = through(lambda request: HttpResponse(), given)
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers[HEADER])


def test_each_request_gets_one_of_its_own(anonymous):
    assert anonymous.get("/open/").headers[HEADER] != anonymous.get("/open/").headers[HEADER]


def test_a_refusal_has_one_too(anonymous):
    response = anonymous.get("/default/", headers={HEADER: "abc"})
    assert (response.status_code, response.headers[HEADER]) == (401, "abc")


def test_it_is_known_while_the_request_is_worked_on():
    assert through(lambda request: HttpResponse(request_id()), "abc").content == b"abc"


def test_it_is_forgotten_afterwards():
    through(lambda request: HttpResponse(), "abc")
    assert (request_id(), outgoing_headers()) == ("", {})


def test_it_is_forgotten_after_an_error():
    def fail(request):
        raise KeyError

    with pytest.raises(KeyError):
        through(fail, "abc")
    assert request_id() == ""


def test_threads_do_not_see_each_others():
    def seen(given):
        return through(lambda request: HttpResponse(request_id()), given).content.decode()

    given = [f"request-{number}" for number in range(50)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(seen, given)) == given


def test_it_goes_to_whoever_is_asked():
    response = through(lambda request: HttpResponse(headers=outgoing_headers()), "abc")
    assert response.headers[HEADER] == "abc"


# The log.


def test_a_line_within_a_request_has_it(log, authorization_server, client_with):
    authorization_server.answer_with(500)
    client_with(TOKEN).get("/default/", headers={HEADER: "abc"})
    assert ids(line for line in log if "oauth_resource_server" in line) == {"abc"}


def test_the_line_that_django_writes_about_a_refusal_has_it(log, anonymous):
    anonymous.get("/default/", headers={HEADER: "abc"})
    assert ids(line for line in log if "logger=django.request" in line) == {"abc"}


def test_a_line_outside_of_a_request_has_a_dash(log):
    logging.getLogger("test").warning("hello")
    assert ids(log) == {"-"}


def test_a_record_is_one_line_whatever_is_in_it(log):
    logging.getLogger("test").warning('two\nlines, a "quote"')
    assert [line.partition("level")[2] for line in log] == [
        r'=WARNING logger=test request_id=- message="two\nlines, a \"quote\""'
    ]


def test_a_traceback_is_in_the_same_line(log):
    try:
        raise KeyError("gone")
    except KeyError:
        logging.getLogger("test").exception("failed")
    assert ["KeyError" in line and "\n" not in line for line in log] == [True]


@pytest.mark.parametrize(
    "address", ["/default/", "/scope/", "/user/", "/decorated/", "/metadata-view/", "/never/"]
)
@pytest.mark.parametrize("answer", ["issued", "unknown", 401, 500, 302, "garbage", "stall"])
@pytest.mark.django_db
def test_no_token_and_no_secret_is_in_any_line(
    log, authorization_server, client_with, configure, address, answer
):
    if answer == "issued":
        authorization_server.issue(TOKEN, scope="")
    elif answer == "garbage":
        authorization_server.answer_with(200, TOKEN.encode())
    elif answer == "stall":
        configure(RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS=0.05)
        authorization_server.stall()
    elif answer != "unknown":
        authorization_server.answer_with(answer, Location=f"/{TOKEN}")
    client_with(TOKEN).get(address)
    assert log
    assert [line for line in log for secret in SECRETS if secret in line] == []


@pytest.mark.parametrize("address", ["/default/", "/decorated/"])
def test_a_token_in_the_url_is_in_no_line(log, authorization_server, anonymous, address):
    anonymous.get(address, {"access_token": TOKEN})
    assert [line for line in log if TOKEN in line] == []
