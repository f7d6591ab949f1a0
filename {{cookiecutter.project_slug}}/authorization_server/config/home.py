"""The page at ``/``: who runs this server, and in development what runs where."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import OpenerDirector, ProxyHandler, build_opener

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from client_registry.manifests import ResourceServer, resource_servers
from service_kit import env
from service_kit.health import READY

SECONDS = 1.0  # for the answers of all resource servers together, as the request holds a thread


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Return the page. Strangers learn nothing of the services in production."""
    if settings.PRODUCTION:
        return render(request, "home.html")
    servers = [*resource_servers().values()]
    context = {
        "services": [*zip(servers, states(servers), strict=True)],
        "demo_username": env.text("DEMO_USERNAME", ""),
    }
    return render(request, "development.html", context)


def states(servers: Sequence[ResourceServer]) -> list[str]:
    """Return the state of each resource server. All of them are asked in parallel."""
    pool = ThreadPoolExecutor(max(1, len(servers)))
    asked = [pool.submit(state_of, server) for server in servers]
    wait(asked, SECONDS)
    pool.shutdown(wait=False)
    return [one.result() if one.done() else "does not answer" for one in asked]


def state_of(server: ResourceServer) -> str:
    """Return "ready", or what a person sees of the fault."""
    address = settings.RESOURCE_SERVER_INTERNAL_URL.replace("{name}", server.name)
    url = f"{address or server.address}{READY}"
    try:
        opener().open(url, timeout=SECONDS).close()
    except HTTPError as error:
        return "not ready" if error.code == 503 else "is another program"
    except (OSError, HTTPException, ValueError) as error:  # ValueError: it has no address.
        is_refused = isinstance(getattr(error, "reason", error), ConnectionRefusedError)
        return "does not run" if is_refused else "does not answer"
    return "ready"


@cache
def opener() -> OpenerDirector:
    """Return what asks without a proxy, as the services run on this machine.

    Made once, because it reads the certificates of the system.
    """
    return build_opener(ProxyHandler({}))
