"""What every page shows: whose authorization server it is."""

from django.conf import settings
from django.http import HttpRequest


def project(request: HttpRequest) -> dict[str, str]:
    """Return the name of the project and the address to write to, "" when there is none."""
    return {"project_name": settings.PROJECT_NAME, "contact_email": settings.CONTACT_EMAIL}
