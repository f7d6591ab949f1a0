"""Migrate `api` of the skeleton forth and back, and print what happens to the rows as JSON.

The arguments are the database and the fields of a person, both as JSON.
"""

import json
import sys

import django
from django.conf import settings

settings.configure(
    AUTH_USER_MODEL="api.ResourceOwner",
    DATABASES={"default": json.loads(sys.argv[1])},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        *("api", "oauth_resource_server", "oauth2_provider"),
        *("django.contrib.auth", "django.contrib.contenttypes"),
    ],
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402

FIELDS = ["issuer", "sub", "name"]


def migrate(name):
    """Return a function from the names of a model to the model after the migration."""
    call_command("migrate", "api", name, verbosity=0)
    return MigrationLoader(connection).project_state(("api", name)).apps.get_model


def columns():
    with connection.cursor() as cursor:
        table = connection.introspection.get_table_description(cursor, "api_resourceowner")
    return [column.name for column in table if column.name in FIELDS]


owner = migrate("0001_initial")("api", "ResourceOwner")
owner.objects.create(username="admin")
owner.objects.create(username="a-uuid", **json.loads(sys.argv[2]))
links = migrate("0002_linked_user")("oauth_resource_server", "LinkedUser").objects
after = {"links": list(links.values(*FIELDS, "user__username")), "columns": columns()}
owner = migrate("0001_initial")("api", "ResourceOwner")
print(json.dumps(after | {"undone": list(owner.objects.exclude(sub=None).values(*FIELDS))}))
