"""The endpoint: what is asked, in which form, by whom."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from introspection.answers import answer
from introspection.credentials import InvalidCredentials, authenticate

CONTENT_TYPE = "application/x-www-form-urlencoded"
MAX_BODY_SIZE = 16 * 1024  # bytes, far more than a token has


@cache_control(no_store=True)
@csrf_exempt
@require_POST
@sensitive_post_parameters()
def introspect(request: HttpRequest) -> HttpResponse:
    """Tell a resource server about one token (RFC 7662 section 2). Makes two queries at most."""
    if request.content_type != CONTENT_TYPE:
        return refuse(415, "invalid_request", f"The content type is not {CONTENT_TYPE}.")
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_SIZE:
        return refuse(413, "invalid_request", f"The body has more than {MAX_BODY_SIZE} bytes.")
    try:
        server = authenticate(request.headers.get("Authorization", ""))
    except InvalidCredentials as invalid:
        response = refuse(401, invalid.error, "The caller is not a registered resource server.")
        response["WWW-Authenticate"] = invalid.challenge
        return response
    tokens = request.POST.getlist("token")
    if len(tokens) != 1 or not tokens[0]:
        return refuse(400, "invalid_request", "The parameter token is not there once.")
    return JsonResponse(answer(tokens[0], server))


def refuse(status: int, error: str, description: str) -> JsonResponse:
    """Return an error in the form of RFC 6749 section 5.2."""
    return JsonResponse({"error": error, "error_description": description}, status=status)
