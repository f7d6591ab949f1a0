"""Run Canaille with a store in memory: ``canaille_server.py PORT CLIENTS``.

CLIENTS is a JSON object from client ids to secrets. The audience of all tokens is the client
``orders-api``, which may introspect them.
"""

import json
import sys

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend

SCOPES = ["orders:read", "orders:write", "inventory:read", "inventory:write"]


def main():
    """Register the clients and run the server."""
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
        registered = {name: register(name, secret) for name, secret in clients.items()}
        for client in registered.values():
            client.audience = [registered["orders-api"]]
            Backend.instance.save(client)
    app.run("127.0.0.1", port, threaded=True)


def register(name, secret):
    """Return a new client for the client credentials grant."""
    client = models.Client(
        client_id=name,
        client_secret=secret,
        client_name=name,
        token_endpoint_auth_method="client_secret_basic",
        grant_types=["client_credentials"],
        scope=SCOPES,
    )
    Backend.instance.save(client)
    return client


if __name__ == "__main__":
    main()
