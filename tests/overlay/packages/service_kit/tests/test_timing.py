"""Responses to web pages say whether another service was asked about the token."""

import re

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from service_kit import timing

ORIGIN = {"Origin": "http://localhost:8000"}
REFUSED = {"WWW-Authenticate": 'Bearer realm="orders", error="invalid_token"'}


def through(view, **headers):
    """Return Server-Timing of the response of a view behind the middleware."""
    request = RequestFactory().get("/", headers=ORIGIN | headers)
    return timing.ServerTimingMiddleware(view)(request).headers["Server-Timing"]


def ask(request):
    timing.outgoing_headers()
    return HttpResponse()


def know(request):
    request.auth = "a token"
    return HttpResponse()


@pytest.mark.parametrize(
    ("view", "source"),
    [
        (ask, "introspection, "),
        (know, "cache, "),
        (lambda request: HttpResponse(status=401, headers=REFUSED), "cache, "),
        (lambda request: HttpResponse(), ""),
        (lambda request: HttpResponse(status=401), ""),
        (lambda request: HttpResponse(status=503), ""),
    ],
    ids=["asked", "known", "known to be bad", "open", "no token", "nobody asked"],
)
def test_the_source_of_the_judgement_is_named(view, source):
    assert re.fullmatch(rf"{source}total;dur=\d+\.\d", through(view))


def test_several_questions_are_one_source():
    assert through(lambda request: ask(request) and ask(request)).count("introspection") == 1


def test_a_question_of_one_request_is_not_of_the_next():
    through(ask)
    assert "introspection" not in through(know)


def test_a_question_outside_of_a_request_is_not_counted():
    timing.outgoing_headers()
    assert "introspection" not in through(know)


def test_an_error_ends_the_count():
    def fail(request):
        raise KeyError

    with pytest.raises(KeyError):
        through(fail)
    assert timing._questions.get() is None


def test_a_request_that_is_not_of_a_web_page_is_left_alone():
    response = timing.ServerTimingMiddleware(ask)(RequestFactory().get("/"))
    assert "Server-Timing" not in response.headers


def test_the_identifier_of_the_request_is_passed_on():
    from service_kit.request_id import HEADER, Identified

    with Identified({"HTTP_X_REQUEST_ID": "abc"}):
        assert timing.outgoing_headers() == {HEADER: "abc"}
