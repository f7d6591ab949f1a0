"""The home page, and whether the service is well (for orchestrators, not for people)."""

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from oauth2_provider.settings import oauth2_settings

from accounts.signing_key import problem_with


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Say what this is, and who is signed in."""
    return render(request, "home.html")


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Answer, which is all that is asked. A service that cannot should be started again."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Say what is in the way of serving requests: 200 if nothing is, else 503."""
    checks: dict[str, Callable[[], bool]] = {
        "database": is_database_migrated,
        "signing_key": has_signing_key,
    }
    results = {name: check() for name, check in checks.items()}
    ok = all(results.values())
    body = {"status": "ok" if ok else "unavailable"} | {
        name: "ok" if result else "unavailable" for name, result in results.items()
    }
    return JsonResponse(body, status=200 if ok else 503)


def is_database_migrated() -> bool:
    """Return whether the database answers and has every migration."""
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return False


def has_signing_key() -> bool:
    """Return whether ID tokens can be signed."""
    return problem_with(oauth2_settings.OIDC_RSA_PRIVATE_KEY) is None
