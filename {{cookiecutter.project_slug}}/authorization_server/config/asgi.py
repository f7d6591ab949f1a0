"""What is served: ``config.asgi``."""

import os

from django.core.wsgi import get_wsgi_application

from service_kit import env
from service_kit.wsgi_bridge import WSGIBridge

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django = get_wsgi_application()

# Only now is Django set up, and the endpoint can be imported.
from introspection.endpoint import IntrospectionFirst  # noqa: E402
from oauth.requests import MAX_BODY_SIZE  # noqa: E402

application = WSGIBridge(
    IntrospectionFirst(django),
    threads=env.number("WEB_THREADS", 4, minimum=1),
    max_body=MAX_BODY_SIZE,
)
