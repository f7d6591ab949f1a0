"""Print by how many MiB the memory of this process grows while it sees some distinct tokens.

Runs in the folder of a resource server, in its environment: the same code and settings as a
worker, with answers that are made here in place of the network, which would need half an hour.
"""

import json
import os
import secrets
import sys
import time

sys.path.insert(0, ".")
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django
from django.conf import settings
from django.test import Client

django.setup()
from oauth_resource_server.issuers.route import configured_issuers  # noqa: E402
from oauth_resource_server.validation import validate  # noqa: E402

settings.ALLOWED_HOSTS = ["*"]


def answer(token):
    """Return what the authorization server says about a token of a machine."""
    client_id = secrets.token_hex(16)
    told = {
        "active": True,
        "scope": f"{settings.MANIFEST['name']}:read",
        "client_id": client_id,
        "sub": client_id,
        "token_type": "Bearer",
        "exp": int(time.time()) + 600,
        "iat": int(time.time()),
        "aud": settings.MANIFEST["audience"],
        "iss": settings.AUTHORIZATION_SERVER_URL,
    }
    # As over the network: each answer has strings of its own.
    return json.loads(json.dumps(told))


def resident():
    """Return the resident memory of this process in MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main():
    """See the tokens and print the growth."""
    configured_issuers().all[0].client.introspect = answer
    Client().get("/api/ping/")
    validate("warm-up")
    before = resident()
    for number in range(int(sys.argv[1])):
        validate(f"{secrets.token_urlsafe(24)}{number}")
    print(resident() - before)


if __name__ == "__main__":
    main()
