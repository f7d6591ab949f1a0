"""What is served: ``config.asgi``."""

import os

from django.core.wsgi import get_wsgi_application

from service_kit import env
from service_kit.wsgi_bridge import Routes, WSGIBridge

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django = get_wsgi_application()

# Only now is Django set up.
from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import reverse  # noqa: E402

from introspection.endpoint import Endpoint  # noqa: E402
from oauth.requests import MAX_BODY_SIZE  # noqa: E402
from revocation_events.endpoint import PATH, Events  # noqa: E402
from revocation_events.stream import Stream  # noqa: E402
from service_kit.health import LIVE, READY, Health  # noqa: E402

DOCUMENTS = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    reverse("oauth2_provider:jwks-info"),
]

bridge = WSGIBridge(django, threads=env.number("WEB_THREADS", 4, minimum=1), max_body=MAX_BODY_SIZE)
# Resource servers, clients and Prometheus need them even while all threads are busy.
documents = WSGIBridge(django, threads=1, max_body=0)
introspection = Endpoint()
if settings.IS_TRACED:
    from introspection import tracing

    introspection = tracing.Endpoint()
metrics = WSGIBridge(django, threads=1, max_body=0, any_host=True)
health = Health(bridge.threads, introspection.state)

application = Routes(
    {
        LIVE: health,
        READY: health,
        "/metrics": metrics,
        reverse("oauth2_provider:introspect"): introspection,
        PATH: Events(Stream(), introspection),
        **dict.fromkeys(DOCUMENTS, documents),
    },
    bridge,
)
if apps.is_installed("playground"):
    from playground.outage import InterruptibleRoutes

    application = InterruptibleRoutes(application.paths, bridge)
