"""How services are served."""

import pytest
import serve
from django.conf import settings
from django.core.signals import request_finished
from django.http import HttpResponse, StreamingHttpResponse

if not settings.configured:
    settings.configure()


def served(response):
    """Return the body that Granian gets for an application that returns `response`."""
    return serve.in_one_piece(lambda environ, start_response: response)({}, None)


def test_a_body_that_is_known_is_sent_together_with_the_headers():
    assert served(HttpResponse("known")) == [b"known"]


def test_a_body_that_is_known_ends_the_request_once():
    ended = []
    response = HttpResponse("known")

    def note(sender, **details):
        ended.append(sender)

    request_finished.connect(note)
    try:
        served(response)
    finally:
        request_finished.disconnect(note)
    assert len(ended) == 1


@pytest.mark.parametrize("body", [StreamingHttpResponse([b"a", b"b"]), [b"a", b"b"]])
def test_a_body_that_comes_by_and_by_is_handed_on_as_it_is(body):
    assert served(body) is body
