"""One identifier goes with a request, to the response, the log and other services."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from service_kit.request_id import HEADER, Identified, RequestIdMiddleware, outgoing_headers


def through(view, given=""):
    """Return the response of a view behind the middleware."""
    headers = {HEADER: given} if given else {}
    return RequestIdMiddleware(view)(RequestFactory().get("/", headers=headers))


def current(request):
    return HttpResponse(outgoing_headers().get(HEADER, ""))


@pytest.mark.parametrize("given", ["a", "A-1_b.c", "f" * 64])
def test_a_well_formed_identifier_is_kept(given):
    response = through(current, given)
    assert (response.headers[HEADER], response.text) == (given, given)


@pytest.mark.parametrize("given", ["", "f" * 65, "a b", 'a"b', "a\nb", "a\n", "ä", "a=b"])
def test_any_other_is_replaced(given):
    response = through(current, given)
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers[HEADER])
    assert response.text == response.headers[HEADER]


def test_each_request_gets_one_of_its_own():
    assert through(current).text != through(current).text


def test_an_unknown_address_gets_one_too(client):
    response = client.get("/unknown", secure=True, headers={HEADER: "abc"})
    assert response.headers[HEADER] == "abc"


def test_it_ends_with_the_request():
    through(current, "abc")
    assert outgoing_headers() == {}


def test_it_ends_with_an_error():
    def fail(request):
        raise KeyError

    with pytest.raises(KeyError):
        through(fail, "abc")
    assert outgoing_headers() == {}


def test_a_wsgi_endpoint_in_front_of_django_can_use_it():
    with Identified({"HTTP_X_REQUEST_ID": "abc"}) as identifier:
        assert (identifier, outgoing_headers()) == ("abc", {HEADER: "abc"})


def test_threads_do_not_see_the_identifiers_of_others():
    given = [f"request-{number}" for number in range(50)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda one: through(current, one).text, given)) == given
