"""The two ways to the endpoint: in front of Django, as served, and through it, as an address."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from config.request_id import HEADER, identified
from introspection.endpoint import respond

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class IntrospectionFirst:
    """A WSGI application that answers introspections itself, and hands all else to Django.

    An introspection has no use for sessions, messages and whatever else a page needs: without them
    one costs a fifth.
    """

    def __init__(self, django: "WSGIApplication") -> None:
        self.django = django
        self.path = reverse("oauth2_provider:introspect")

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] != self.path:
            return self.django(environ, start_response)
        # As the middleware does for Django: both logs name a request alike.
        with identified(environ) as identifier:
            status, headers, body = respond(environ)
        start_response(STATUS_LINES[status], [*headers, (HEADER, identifier)])
        return [body]


@csrf_exempt
def introspect(request: HttpRequest) -> HttpResponse:
    """Answer as above. The metadata take its address from here, and tests come this way."""
    status, headers, body = respond(request.META)
    return HttpResponse(body, status=status, headers=dict(headers))
