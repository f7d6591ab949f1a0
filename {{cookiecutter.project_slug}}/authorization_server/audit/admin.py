"""Events on the administration site, read-only; and what administrators do there as events."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from audit.models import Event
from audit.recording import record


class ReadOnlyAdmin(admin.ModelAdmin):
    """Pages that only show."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_delete_permission = has_change_permission


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("time", "event", "outcome", "sub", "act", "client_id", "address")
    list_filter = ("event", "outcome")
    search_fields = ("sub", "act", "client_id", "address", "request_id")
    show_full_result_count = False


def record_administrators(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that records actions for lists of objects, and pages that are refused.

    Changes of single objects are events by Django's own log (`accounts.events`).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response, match = get_response(request), request.resolver_match
        if match is None or match.app_name != "admin":
            return response
        if response.status_code == 403:
            record("admin-refused", outcome="access_denied", target=match.view_name)
        if "action" in request.POST and response.status_code == 302:
            everything = request.POST.get("select_across") == "1"
            ids = "all" if everything else request.POST.getlist("_selected_action")
            action = request.POST["action"]
            record("admin-action", action=action, target=match.view_name, ids=ids)
        return response

    return middleware
