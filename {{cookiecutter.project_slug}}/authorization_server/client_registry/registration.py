"""Write the declared clients into the database. A second run writes nothing."""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models, transaction
from oauth2_provider.models import Application
from oauth2_provider.settings import oauth2_settings

from audit.recording import record
from client_registry.credentials import Client
from client_registry.hashers import MachineSecretHasher, encode_secrets, verify_secret
from client_registry.models import RegisteredClient
from client_registry.schema import RegistryError

NATIVE_URI = (
    r"http://(127\.0\.0\.1|\[::1\])(:[0-9]+)?(/\S*)?"  # RFC 8252 section 7.3
    r"|[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:/[^/\s]\S*"  # RFC 8252 section 7.1
)


@dataclass(frozen=True)
class Outcome:
    """The action for the client `name`, and its fields that differed from the declaration."""

    name: str
    action: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.action}" + (f" ({', '.join(self.fields)})" * bool(self.fields))


@transaction.atomic
def ensure_clients(
    clients: Collection[Client],
    elsewhere: Collection[str] = (),
    *,
    prune: bool = False,
    check: bool = False,
) -> list[Outcome]:
    """Create and update `clients`, and with `prune` delete those that are no longer declared.

    Deactivated clients stay deactivated.

    Args:
        elsewhere: Names of clients that are declared for other environments only.
        check: Write nothing, and return the actions of a run without it.

    Raises:
        RegistryError: Nothing was written.
    """
    declared = [client.declaration.name for client in clients]
    outcomes = []
    for registration in RegisteredClient.objects.exclude(name__in=declared).order_by("name"):
        if registration.name in elsewhere and registration.is_active and not prune:
            raise RegistryError(
                f"{registration.name} is registered, but declared for another environment: "
                "run with --prune, or deactivate it"
            )
        if prune and not check:
            registration.application.delete()
            record("client-deleted", client_id=registration.application.client_id)
        outcomes.append(Outcome(registration.name, "deleted" if prune else "not declared"))
    return outcomes + [ensure_client(client, check=check) for client in clients]


def ensure_client(client: Client, *, check: bool) -> Outcome:
    """Create or update one client; with `check`, only validate and compare it."""
    name, created = client.declaration.name, False
    found = RegisteredClient.objects.select_for_update().select_related("application")
    registration = found.filter(name=name).first()
    if registration is None:
        registration, created = unsaved(client) if check else register(client)
    changed = update_fields(registration, client)
    if changed:
        validate(registration)
    if changed and not check:
        registration.application.save()
        registration.save()
        event = "client-created" if created else "client-changed"
        record(event, client_id=client.client_id, fields=changed)
    if created:
        return Outcome(name, "created")
    return Outcome(name, "updated", tuple(changed)) if changed else Outcome(name, "unchanged")


def unsaved(client: Client) -> tuple[RegisteredClient, bool]:
    """Return the two rows of a new client, without writing them."""
    application = Application(client_id=client.client_id)
    return RegisteredClient(name=client.declaration.name, application=application), True


def register(client: Client) -> tuple[RegisteredClient, bool]:
    """Create the two rows of a client, or return those of a concurrent run."""
    name = client.declaration.name
    application, _ = Application.objects.get_or_create(client_id=client.client_id)
    registration, created = RegisteredClient.objects.get_or_create(
        application=application, defaults={"name": name}
    )
    if registration.name != name:
        raise RegistryError(
            f"{name} cannot have the client_id {client.client_id}, which {registration.name} has"
        )
    return registration, created


def update_fields(registration: RegisteredClient, client: Client) -> list[str]:
    """Set every field as declared, and return the names of those that differed."""
    declaration, application = client.declaration, registration.application
    changed = assign(
        application,
        client_id=client.client_id,
        name=declaration.title,
        client_type=declaration.client_type,
        authorization_grant_type=declaration.grant_type,
        redirect_uris=" ".join(declaration.redirect_uris),
        post_logout_redirect_uris=" ".join(declaration.post_logout_redirect_uris),
        allowed_origins=" ".join(declaration.allowed_origins),
        skip_authorization=declaration.skip_authorization,
        algorithm=declaration.algorithm,
        hash_client_secret=True,
    )
    changed += assign(
        registration,
        resource_server=declaration.resource_server,
        scopes=list(declaration.scopes),
        default_scopes=list(declaration.default_scopes),
    )
    if "client_type" in changed or not has_secrets(application, client.secrets):
        # A public client gets an unknown secret: with an empty one, a request that leaves the
        # secret out would be authenticated.
        application.client_secret = encode_secrets(client.secrets or [secrets.token_urlsafe(32)])
        changed.append("client_secret")
    return changed


def has_secrets(application: Application, secrets: Collection[str]) -> bool:
    """Return whether these secrets are stored, and no other; without them, any one but ""."""
    stored = application.client_secret
    if not secrets:
        is_current = stored.startswith(f"{MachineSecretHasher.algorithm}$")
        return is_current and not verify_secret("", stored)
    is_complete = stored.count(",") == len(secrets) - 1
    return is_complete and all(verify_secret(secret, stored) for secret in secrets)


def assign(instance: models.Model, **values: Any) -> list[str]:
    """Set fields of `instance`, and return the names of those with another value before."""
    changed = [name for name, value in values.items() if getattr(instance, name) != value]
    for name in changed:
        setattr(instance, name, values[name])
    return changed


def validate(registration: RegisteredClient) -> None:
    """Validate the application by django-oauth-toolkit, and the schemes of its redirect URIs."""
    application = registration.application
    for uri in uris_of(application):
        if not is_allowed_uri(uri, is_public=application.client_type == Application.CLIENT_PUBLIC):
            raise RegistryError(
                f"{registration.name}: redirect_uris: expected https, or in a public client "
                f"http://127.0.0.1, http://[::1] or com.example.app:/path, got {uri!r}"
            )
    try:
        application.full_clean(exclude={"client_secret"})
    except ValidationError as error:
        problems = (
            f"{name}: {' '.join(messages)}" for name, messages in error.message_dict.items()
        )
        raise RegistryError(f"{registration.name}: {'; '.join(problems)}") from error


def is_allowed_uri(uri: str, *, is_public: bool) -> bool:
    """Return whether people may be redirected to `uri`.

    A native application has an address of its own device, at any port, or a scheme of its own
    (RFC 8252 section 7). It is a public client, which has to use PKCE.
    """
    if urlsplit(uri).scheme in oauth2_settings.ALLOWED_REDIRECT_URI_SCHEMES:
        return True
    return is_public and re.fullmatch(NATIVE_URI, uri) is not None


def uris_of(application: Application) -> list[str]:
    """Return all addresses to which people may be redirected."""
    return f"{application.redirect_uris} {application.post_logout_redirect_uris}".split()


def registered_schemes(application: Application) -> list[str]:
    """Return the schemes of the addresses of `application`, each of which has been checked."""
    return sorted({urlsplit(uri).scheme for uri in uris_of(application)})
