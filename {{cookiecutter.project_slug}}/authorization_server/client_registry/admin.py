"""Clients on the administration site: read-only, but for the emergency switch."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from oauth2_provider.models import AccessToken, RefreshToken

from accounts.models import revoke
from client_registry.models import RegisteredClient


class DeclaredAdmin(admin.ModelAdmin):
    """A page without adding and deleting, which ``ensure_clients`` does."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ApplicationAdmin(DeclaredAdmin):
    """django-oauth-toolkit's APPLICATION_ADMIN_CLASS, which it registers itself."""

    list_display = ("client_id", "name", "client_type", "authorization_grant_type")
    search_fields = ("client_id", "name")
    exclude = ("client_secret", "hash_client_secret", "cimd_expires_at", "registration_source")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.action(description="Revoke every token of the selected clients", permissions=["change"])
def revoke_tokens(page: Any, request: HttpRequest, queryset: QuerySet[RegisteredClient]) -> None:
    """End the tokens, and keep the clients."""
    chosen = {"application__registration__in": queryset}
    count, _ = revoke(AccessToken.objects.filter(**chosen), RefreshToken.objects.filter(**chosen))
    page.message_user(request, f"Revoked {count} access tokens and all refresh tokens.")


@admin.register(RegisteredClient)
class RegisteredClientAdmin(DeclaredAdmin):
    actions = (revoke_tokens,)
    list_display = ("name", "application", "resource_server", "is_active")
    list_filter = ("is_active",)
    list_select_related = ("application",)
    search_fields = ("name", "application__client_id")
    readonly_fields = ("name", "application", "resource_server", "scopes", "default_scopes")
    fields = (*readonly_fields, "is_active")
