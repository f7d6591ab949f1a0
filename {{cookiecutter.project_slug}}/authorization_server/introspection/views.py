"""The two entrances to the endpoint: a WSGI application in front of Django, and a Django view."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from introspection.endpoint import respond
from service_kit.request_id import HEADER, identified

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class IntrospectionFirst:
    """A WSGI application that answers introspections, and passes other requests to Django.

    Without the middleware for pages an introspection takes a fifth of the CPU.
    """

    def __init__(self, django: "WSGIApplication") -> None:
        self.django = django
        self.path = reverse("oauth2_provider:introspect")

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] != self.path:
            return self.django(environ, start_response)
        with identified(environ) as identifier:
            status, headers, body = respond(environ)
        start_response(STATUS_LINES[status], [*headers, (HEADER, identifier)])
        return [body]


@csrf_exempt
def introspect(request: HttpRequest) -> HttpResponse:
    """Answer through Django. The metadata reverses the URL of this view, and tests call it."""
    status, headers, body = respond(request.META)
    return HttpResponse(body, status=status, headers=dict(headers))
