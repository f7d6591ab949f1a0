"""The home page, and what every page shows."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Return a page that says what this service is and which user is signed in."""
    return render(request, "home.html")


def project(request: HttpRequest) -> dict[str, str]:
    """Return the name of the project and the address to write to, "" without one."""
    return {"project_name": settings.PROJECT_NAME, "contact_email": settings.CONTACT_EMAIL}
