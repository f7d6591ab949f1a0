"""Clients, resource servers and tokens on the administration site.

They are read-only, but for the emergency switch of clients and the revocation of tokens.
"""

import re
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken

from accounts import metrics
from accounts.models import revoke
from audit.admin import ReadOnlyAdmin
from audit.recording import record
from client_registry.manifests import resource_servers
from client_registry.models import RegisteredClient


class ApplicationAdmin(ReadOnlyAdmin):
    """django-oauth-toolkit's APPLICATION_ADMIN_CLASS, which it registers itself."""

    view_on_site = False  # The address of an application is a page of the toolkit, left out here.
    list_display = ("client_id", "name", "client_type", "authorization_grant_type")
    search_fields = ("client_id", "name")
    exclude = ("client_secret", "hash_client_secret", "cimd_expires_at", "registration_source")


@admin.action(description="Revoke the selected tokens", permissions=["revoke"])
def revoke_selected(page: Any, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    """End access tokens and their refresh tokens, whichever of the two are selected."""
    for token in queryset:
        getattr(token, "refresh_token", token).revoke()
        record("token-revoked", sub=token.user_id, client_id=token.application.client_id)
    page.message_user(request, "Revoked them.")


class IssuedAdmin(ReadOnlyAdmin):
    """Codes and ID tokens: who has them for which client, without their values."""

    list_display = ("__str__", "application", "user", "created")
    list_filter = ("application",)
    list_select_related = ("application", "user")
    search_fields = ("application__client_id", "application__name", "user__email")
    # A code is worth nothing without the client's verifier, but what is not shown cannot leak.
    exclude = ("token", "token_checksum", "code", "code_challenge", "nonce")


class TokenAdmin(IssuedAdmin):
    """Access tokens and refresh tokens, which can be revoked."""

    actions = (revoke_selected,)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"oauth2_provider.change_{self.opts.model_name}")


@admin.action(description="Revoke every token of the selected clients", permissions=["change"])
def revoke_tokens(page: Any, request: HttpRequest, queryset: QuerySet[RegisteredClient]) -> None:
    """End the tokens, and keep the clients."""
    chosen = {"application__registration__in": queryset}
    count, _ = revoke(AccessToken.objects.filter(**chosen), RefreshToken.objects.filter(**chosen))
    for client_id in queryset.values_list("application__client_id", flat=True):
        record("tokens-revoked", client_id=client_id)
    page.message_user(request, f"Revoked {count} access tokens and all refresh tokens.")


@admin.register(RegisteredClient)
class RegisteredClientAdmin(ReadOnlyAdmin):
    has_change_permission = admin.ModelAdmin.has_change_permission  # of the emergency switch
    actions = (revoke_tokens,)
    list_display = ("name", "application", "resource_server", "is_active")
    list_filter = ("is_active", ("resource_server", admin.EmptyFieldListFilter))
    list_select_related = ("application",)
    search_fields = ("name", "application__client_id")
    readonly_fields = (
        *("name", "application", "resource_server", "manifest"),
        *("scopes", "default_scopes", "valid_access_tokens", "last_introspection"),
    )
    fields = (*readonly_fields, "is_active")

    def manifest(self, client: RegisteredClient) -> str | None:
        """Return the title, the audience and the scopes of a resource server."""
        server = resource_servers().get(client.resource_server)
        scopes = [f"{scope}: {text}" for scope, text in server.scopes.items()] if server else []
        return "\n".join([server.title, server.audience, *scopes]) if server else None

    def valid_access_tokens(self, client: RegisteredClient) -> int:
        """Return the number of those of the client; for a resource server, of its scopes."""
        valid = AccessToken.objects.filter(expires__gt=timezone.now())
        if server := client.resource_server:
            return valid.filter(scope__regex=rf"(^| ){re.escape(server)}:").count()
        return valid.filter(application=client.application).count()

    def last_introspection(self, client: RegisteredClient) -> datetime | None:
        """Return when the resource server last asked since the start of this server."""
        labels = {"resource_server": client.resource_server}
        seconds = metrics.registry().get_sample_value(metrics.LAST_INTROSPECTION, labels)
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
