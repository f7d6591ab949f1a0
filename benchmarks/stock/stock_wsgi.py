"""Django's own WSGI application; DJANGO_SETTINGS_MODULE selects the settings."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
