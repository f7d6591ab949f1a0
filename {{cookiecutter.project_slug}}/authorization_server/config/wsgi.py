"""What is served: ``config.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django = get_wsgi_application()

# Only now is Django set up, and the endpoint can be imported.
from introspection.endpoint import IntrospectionFirst  # noqa: E402

application = IntrospectionFirst(django)
