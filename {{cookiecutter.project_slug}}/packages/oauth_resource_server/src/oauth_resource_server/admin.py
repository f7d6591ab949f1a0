"""Admin page on which people are linked to users. Django imports it if its admin is installed."""

from django.contrib import admin

from oauth_resource_server.models import LinkedUser


@admin.register(LinkedUser)
class LinkedUserAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("__str__", "issuer", "sub", "user", "created")
    list_select_related = ("user",)
    search_fields = ("sub", "name")
    raw_id_fields = ("user",)
    readonly_fields = ("name", "created")
