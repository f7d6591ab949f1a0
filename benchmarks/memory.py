"""Print the growth of the resident memory, in MiB, after validating a number of distinct tokens.

Runs in the folder and environment of a resource server, with the code and settings of a worker.
The introspection responses are created in the process: over the network, a run takes half an hour.
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


def introspect(token):
    """Return the introspection response for a token of the client credentials grant."""
    client_id = secrets.token_hex(16)
    response = {
        "active": True,
        "scope": f"{settings.MANIFEST['name']}:read",
        "client_id": client_id,
        "sub": client_id,
        "token_type": "Bearer",
        "exp": int(time.time()) + 600,
        "iat": int(time.time()),
        "aud": settings.AUDIENCE,
        "iss": settings.AUTHORIZATION_SERVER_URL,
    }
    # Parsing JSON creates new strings for each response, as over the network.
    return json.loads(json.dumps(response))


def resident():
    """Return the resident memory of this process in MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main():
    """Validate the tokens and print the growth."""
    configured_issuers().all[0].client.introspect = introspect
    Client().get("/api/ping/")
    validate("warm-up")
    before = resident()
    for number in range(int(sys.argv[1])):
        validate(f"{secrets.token_urlsafe(24)}{number}")
    print(resident() - before)


if __name__ == "__main__":
    main()
