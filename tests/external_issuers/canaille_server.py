"""Run Canaille with what it keeps in memory: ``canaille_server.py PORT CLIENTS``.

CLIENTS is a JSON object from client ids to secrets. The tokens of all of them are for
``orders-api``, which may introspect them.
"""

import json
import sys

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend

SCOPES = ["orders:read", "orders:write", "inventory:read", "inventory:write"]


def main():
    """Serve until somebody ends this."""
    port, clients = int(sys.argv[1]), json.loads(sys.argv[2])
    app = create_app(
        {
            "SECRET_KEY": "only-for-tests-0123456789-0123456789",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "CANAILLE": {"DATABASE": "memory"},
            "CANAILLE_OIDC": {},
        }
    )
    with app.app_context(), Backend.instance.session():
        made = {name: client(name, secret) for name, secret in clients.items()}
        for one in made.values():
            one.audience = [made["orders-api"]]
            Backend.instance.save(one)
    app.run("127.0.0.1", port, threaded=True)


def client(name, secret):
    """Register a client that acts for itself."""
    made = models.Client(
        client_id=name,
        client_secret=secret,
        client_name=name,
        token_endpoint_auth_method="client_secret_basic",
        grant_types=["client_credentials"],
        scope=SCOPES,
    )
    Backend.instance.save(made)
    return made


if __name__ == "__main__":
    main()
