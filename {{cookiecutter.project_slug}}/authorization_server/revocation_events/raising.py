"""Write an event wherever access tokens end before their time, in the same transaction.

Every death of single tokens deletes their rows: RFC 7009 revocation, refresh rotation and reuse,
code reuse, sign-out, deactivation, a changed password, withdrawn consent, a deleted user or client.
So one signal covers them all. ``QuerySet.update()`` and raw SQL send no signal.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import receiver
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
from oauth2_provider.settings import oauth2_settings

from accounts import metrics
from client_registry.manifests import resource_servers
from client_registry.models import RegisteredClient
from client_registry.scopes import matches
from revocation_events.models import CurrentTransaction, Event

CHANNEL = "revocation_events"  # of LISTEN and NOTIFY
_is_silent: ContextVar[bool] = ContextVar("is_silent", default=False)


def audiences_of(access_token: AccessToken) -> list[str]:
    """Return the names of the resource servers for which a token is good."""
    scopes, resources = set(access_token.scope.split()), access_token.resource
    return [
        name
        for name, server in resource_servers().items()
        if not scopes.isdisjoint(server.scopes) and (not resources or server.audience in resources)
    ]


def audiences_of_client(patterns: Iterable[str] = ()) -> list[str]:
    """Return the names of the resource servers of which a client may request scopes."""
    patterns = list(patterns)
    return [
        name
        for name, server in resource_servers().items()
        if any(matches(scope, patterns) for scope in server.scopes)
    ]


def raise_event(kind: Event.Kind, value: str, names: list[str], expires: Any = None) -> None:
    """Write an event for resource servers, and wake the readers when it is committed.

    Without `expires`, it is about all tokens of today.
    """
    if not names:
        return
    lifetime = timedelta(seconds=oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS)
    Event.objects.create(
        kind=kind,
        value=value,
        resource_servers=names,
        transaction=CurrentTransaction(),
        expires=expires or timezone.now() + lifetime,
    )
    transaction.on_commit(metrics.events_raised.labels(kind).inc)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


@receiver(post_delete, sender=AccessToken)
def on_deleted_token(instance: AccessToken, **kwargs: Any) -> None:
    """Name a token dead; one that has expired is dead already."""
    if instance.expires > timezone.now() and not _is_silent.get():
        names = audiences_of(instance)
        raise_event(Event.Kind.TOKEN, instance.token_checksum, names, instance.expires)


@receiver(pre_save, sender=RegisteredClient)
def remember_scopes(instance: RegisteredClient, **kwargs: Any) -> None:
    """Keep the scopes of before: one may be taken away."""
    before = RegisteredClient.objects.filter(pk=instance.pk).values_list("scopes", flat=True)
    instance.scopes_before = before.first() or []  # type: ignore[attr-defined]


@receiver(post_save, sender=RegisteredClient)
def on_changed_registration(instance: RegisteredClient, created: bool, **kwargs: Any) -> None:
    """Have the tokens of a client asked about again: it may be deactivated, or lack a scope."""
    if not created:
        scopes = [*instance.scopes, *getattr(instance, "scopes_before", ())]
        raise_event(Event.Kind.CLIENT, instance.application.client_id, audiences_of_client(scopes))


@receiver(post_save, sender=Application)
def on_changed_application(instance: Application, created: bool, **kwargs: Any) -> None:
    """Do so after a change of its secret as well."""
    registration = getattr(instance, "registration", None)
    if not created and registration:
        names = audiences_of_client(registration.scopes)
        raise_event(Event.Kind.CLIENT, instance.client_id, names)


@contextmanager
def one_event(kind: Event.Kind, value: str, names: list[str]) -> Iterator[None]:
    """Write one event, instead of one for each token that is deleted in the block."""
    reset = _is_silent.set(True)
    try:
        with transaction.atomic():
            yield
            raise_event(kind, value, names)
    finally:
        _is_silent.reset(reset)
