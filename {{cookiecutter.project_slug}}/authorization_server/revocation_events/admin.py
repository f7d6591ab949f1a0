"""Revocation events on the administration site, read-only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from client_registry.admin import DeclaredAdmin
from revocation_events.models import Event


@admin.register(Event)
class EventAdmin(DeclaredAdmin):
    """`value` of a token is the hash of one that is dead."""

    list_display = ("created", "kind", "value", "resource_servers", "expires")
    list_filter = ("kind",)
    search_fields = ("value",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
