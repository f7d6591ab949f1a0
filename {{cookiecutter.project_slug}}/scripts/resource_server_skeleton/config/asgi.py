"""ASGI application of this resource server: Django, in threads."""

import os

from django.core.wsgi import get_wsgi_application

from service_kit import env
from service_kit.wsgi_bridge import WSGIBridge

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = WSGIBridge(
    get_wsgi_application(),
    threads=env.number("WEB_THREADS", 4, minimum=1),
    max_body=2**20,  # bytes; the proxy has the same limit
)
