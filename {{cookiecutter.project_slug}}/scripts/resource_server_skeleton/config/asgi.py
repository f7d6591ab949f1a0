"""ASGI application of this resource server: Django, in threads."""

import os

from django.core.wsgi import get_wsgi_application

from service_kit import env
from service_kit.wsgi_bridge import Application, Routes, WSGIBridge

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django = get_wsgi_application()

# Only now is Django set up.
from django.conf import settings  # noqa: E402
from django.urls import reverse  # noqa: E402

from oauth_resource_server.validation import is_held_up  # noqa: E402
from service_kit.health import LIVE, READY, Health  # noqa: E402

bridge = WSGIBridge(
    django,
    threads=env.number("WEB_THREADS", 4, minimum=1),
    max_body=2**20,  # bytes; the proxy has the same limit
    is_held_up=is_held_up,
)
# Clients and Prometheus are answered even while all threads are busy.
metadata = WSGIBridge(django, threads=1, max_body=0)
metrics = WSGIBridge(django, threads=1, max_body=0, any_host=True)
health = Health(bridge.threads, patience=20 if settings.PRODUCTION else 0)

paths: dict[str, Application] = {LIVE: health, READY: health, "/metrics": metrics}
paths[reverse("oauth2_provider:oauth-resource-metadata")] = metadata
application = Routes(paths, bridge)
