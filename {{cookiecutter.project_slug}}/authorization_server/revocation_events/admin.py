"""Revocation events on the administration site, read-only."""

from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from revocation_events.models import Event


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """`value` of a token is the hash of one that is dead."""

    list_display = ("created", "kind", "value", "resource_servers", "expires")
    list_filter = ("kind",)
    search_fields = ("value",)
