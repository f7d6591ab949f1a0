"""Django's own WSGI application, with whatever settings are chosen."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
