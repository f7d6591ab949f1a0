"""Error responses for plain Django views."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin

from oauth_resource_server import responses
from oauth_resource_server.errors import ResourceOwnerRefused, TokenValidationError


class AuthorizationServerErrorMiddleware(MiddlewareMixin):
    """Turns `TokenValidationError` into a 503 and `ResourceOwnerRefused` into a 401."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, TokenValidationError):
            headers = {"Retry-After": str(responses.report(exception))}
            response = JsonResponse(responses.UNAVAILABLE, status=503, headers=headers)
            response._has_been_logged = True  # type: ignore[attr-defined]
            return response
        if isinstance(exception, ResourceOwnerRefused):
            error, detail = responses.INVALID_TOKEN, responses.OWNER_REFUSED
            challenge = responses.challenge(request, error=error, error_description=detail)
            headers = {"WWW-Authenticate": challenge}
            return JsonResponse(responses.body(error, detail), status=401, headers=headers)
        return None
