"""The page "Applications with access": what a person has allowed, and the end of it."""

from collections.abc import Iterator, Mapping

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from client_registry.manifests import resource_servers
from oauth.models import Consent


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def applications(request: HttpRequest) -> HttpResponse:
    """Return the page; a POST withdraws the access of the client `client_id`."""
    consents = Consent.objects.filter(user=request.user.pk).select_related("application", "user")
    if request.method == "POST":
        for consent in consents:
            if consent.application.client_id == request.POST.get("client_id"):
                consent.withdraw()
        return redirect("applications")
    rows = [(consent, list(access(consent))) for consent in consents.order_by("application__name")]
    return render(request, "applications.html", {"rows": rows})


def access(consent: Consent) -> Iterator[tuple[str, list[str]]]:
    """Yield the title of each API with the descriptions of the scopes for it; "": the account."""
    apis: list[tuple[str, Mapping[str, str]]] = [("", settings.OPENID_SCOPES)]
    apis += [(server.title, server.scopes) for server in resource_servers().values()]
    for title, scopes in apis:
        if texts := [text for scope, text in scopes.items() if scope in consent.scopes]:
            yield title, texts
