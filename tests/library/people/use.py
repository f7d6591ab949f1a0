"""Use a token with the user model of the environment, and print what happens as JSON.

A process has one ``AUTH_USER_MODEL``, so each model needs a process of its own.
"""

import json
import os
from types import SimpleNamespace

import django
from django.conf import settings

settings.configure(
    AUTH_USER_MODEL=os.environ["USER_MODEL"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        *("library.people", "oauth_resource_server", "oauth2_provider", "django.contrib.auth"),
        *("django.contrib.contenttypes", "django.contrib.admin", "django.contrib.messages"),
    ],
    OAUTH_RESOURCE_SERVER={
        "ISSUER": "https://as.example.com",
        "AUDIENCE": "https://orders.example.com",
        "USER_FACTORY": os.environ.get("USER_FACTORY"),
    },
    OAUTH2_PROVIDER={
        "RESOURCE_SERVER_INTROSPECTION_URL": "https://as.example.com/o/introspect/",
        "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": ("orders", "s3cret"),
    },
    SILENCED_SYSTEM_CHECKS=["admin.E403", "admin.E408", "admin.E409", "admin.E410"],
)
django.setup()

from django.contrib.admin import site  # noqa: E402
from django.core.checks import run_checks  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from oauth_resource_server import AccessToken  # noqa: E402
from oauth_resource_server.models import LinkedUser  # noqa: E402
from oauth_resource_server.users import is_refused, local_user  # noqa: E402

ALICE = AccessToken(
    sub="alice", iss="https://as.example.com", extra_claims_json='{"phone": "+1 555 0100"}'
)


def username():
    try:
        return local_user(ALICE).get_username()
    except IntegrityError:
        return None


def is_refused_with(**change):
    """Return whether the user of Alice is refused after a change."""
    LinkedUser.objects.get().user.__class__.objects.update(**change)
    return is_refused(ALICE)


def fields_in_admin():
    """Return the fields that a superuser can edit, and those that are displayed only."""
    request = RequestFactory().get("/")
    request.user = SimpleNamespace(has_perm=lambda permission: True)
    page = site.get_model_admin(LinkedUser)
    return list(page.get_form(request).base_fields), list(page.get_readonly_fields(request))


call_command("migrate", run_syncdb=True, verbosity=0)
found = {
    "checks": [message.msg for message in run_checks() if not message.is_silenced()],
    "username": username(),
    "usable_password": bool(username()) and local_user(ALICE).has_usable_password(),
    "admin_fields": fields_in_admin(),
    "refused": is_refused(ALICE),
}
if change := json.loads(os.environ.get("CHANGE", "{}")):
    found["refused_after_change"] = is_refused_with(**change)
print(json.dumps(found))
