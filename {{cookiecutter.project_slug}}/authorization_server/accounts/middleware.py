"""What every page of people has in common: limits, the password asked again, one host name."""

from urllib.parse import urlsplit

from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from accounts.rate_limits import RateLimited

PUBLIC_HOST = urlsplit(settings.AUTHORIZATION_SERVER_URL).netloc
LOOPBACK_HOSTS = {PUBLIC_HOST.replace("localhost", address) for address in ("127.0.0.1", "[::1]")}


class AccountsMiddleware(MiddlewareMixin):
    """Stands after allauth's middleware, so that it sees exceptions first."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """In development, lead from 127.0.0.1 to localhost: passkeys belong to one host name."""
        if request.method == "GET" and not settings.PRODUCTION:
            is_page = request.path_info == "/" or request.path_info.startswith("/accounts/")
            if is_page and request.META.get("HTTP_HOST") in LOOPBACK_HOSTS - {PUBLIC_HOST}:
                url = f"{settings.AUTHORIZATION_SERVER_URL}{request.get_full_path()}"
                return HttpResponseRedirect(url)
        if request.path_info.startswith("/accounts/"):
            request.get_host()  # Refuses an unknown one.
            request.META["HTTP_HOST"] = PUBLIC_HOST  # For the addresses that allauth sends.
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, RateLimited):
            response = render(request, "429.html", {"message": exception}, status=exception.status)
            response["Retry-After"] = str(exception.retry_after)
            response["Cache-Control"] = "no-store"
            return response
        if isinstance(exception, ReauthenticationRequired) and request.method == "POST":
            # The page asks for the password when it is opened. allauth would keep the form in the
            # session: strangers could fill the table, and passwords would be in it.
            return HttpResponseRedirect(request.get_full_path())
        return None
