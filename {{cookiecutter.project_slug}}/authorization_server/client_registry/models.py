"""Fields that django-oauth-toolkit's Application does not have. Its models are not swapped."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from corsheaders.signals import check_request_enabled
from django.conf import settings
from django.db import models, transaction
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject


class NoticedQuerySet(models.QuerySet[Any]):
    def update(self, **fields: Any) -> int:
        """Also send ``post_save``: resource servers learn of a client that is deactivated."""
        with transaction.atomic(using=self.db):
            changed = list(self.values_list("pk", flat=True))
            count = super().update(**fields)
            for instance in self.model._default_manager.using(self.db).filter(pk__in=changed):
                post_save.send(sender=self.model, instance=instance, created=False, using=self.db)
        return count


class RegisteredClient(models.Model):
    """The registration of a declared Application, with the scopes that it may request.

    An Application without this row is refused everywhere.
    """

    application = models.OneToOneField(
        "oauth2_provider.Application",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="registration",
        editable=False,
    )
    name = models.SlugField(max_length=100, unique=True, editable=False)
    resource_server = models.CharField(max_length=100, blank=True, editable=False)
    scopes = models.JSONField(default=list, editable=False)
    default_scopes = models.JSONField(default=list, blank=True, editable=False)
    is_active = models.BooleanField(
        "active",
        default=True,
        help_text="The emergency switch: unselected, the client and all of its tokens are refused.",
    )

    objects = NoticedQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


def active_registration(application: object) -> RegisteredClient | None:
    """Return the registration of `application`, None without one or if it is deactivated.

    It makes a query, unless ``select_related("registration")`` has loaded it.
    """
    registration: RegisteredClient | None = getattr(application, "registration", None)
    return registration if registration and registration.is_active else None


def requesting_application(request: HttpRequest) -> dict[str, Any]:
    """Return, for templates, the application that a person is signing in to as `application`.

    It is None unless the page comes back to an authorization request of an active client.
    """
    return {"application": SimpleLazyObject(lambda: application_of(request))}


def application_of(request: HttpRequest) -> Any:
    from oauth2_provider.models import Application

    # At the second factor and the code, django-allauth keeps `next` in the session.
    stage = request.session.get("account_login") or {}
    values = request.GET.get("next"), request.POST.get("next"), stage.get("redirect_url")
    url = urlsplit(next(filter(None, values), ""))
    client_ids = parse_qs(url.query).get("client_id")
    if url.path != reverse("oauth2_provider:authorize") or not client_ids:
        return None
    application = Application.objects.filter(client_id=client_ids[0]).first()
    return application if active_registration(application) else None


@receiver(check_request_enabled)
def is_origin_of_client(sender: None, request: HttpRequest, **kwargs: Any) -> bool:
    """Return whether scripts of the ``Origin`` may read the response (CORS).

    They may at the endpoints of CORS_URLS_REGEX if an active client has it in ``allowed_origins``.
    """
    origin = request.headers.get("Origin")
    if not origin or not re.match(settings.CORS_URLS_REGEX, request.path_info):
        return False
    active = RegisteredClient.objects.filter(is_active=True)
    declared = active.values_list("application__allowed_origins", flat=True)
    return any(
        origin in origins.split() for origins in declared.exclude(application__allowed_origins="")
    )
