"""The settings of the service with the inputs of the tests, claims and clients among them."""

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from jwcrypto import jwk

CLIENTS = "DEMO_MACHINE", "DEMO_BROWSER", "DEMO_DEVICE"
CONFIDENTIAL = "DEMO_MACHINE", "ORDERS_INTROSPECTION", "INVENTORY_INTROSPECTION"

HERE = Path(__file__).parent
DATA = tempfile.mkdtemp()
atexit.register(shutil.rmtree, DATA, ignore_errors=True)

os.environ |= {
    "ENV_FILE": "",
    "ENVIRONMENT": "development",
    "DEBUG": "false",
    "AUTHORIZATION_SERVER_URL": "http://localhost:8000",
    "AUTHORIZATION_SERVER_SECRET_KEY": secrets.token_urlsafe(48),
    "AUTHORIZATION_SERVER_ALLOWED_HOSTS": "testserver",
    "DATA_DIR": DATA,
    "UPSTREAMS_FILE": os.devnull,
    "CLIENTS_FILE": str(HERE / "clients.toml"),
    "RESOURCE_SERVERS_DIR": str(HERE / "resource_servers"),
    "OIDC_RSA_PRIVATE_KEY": (
        jwk.JWK.generate(kty="RSA", size=2048)
        .export_to_pem(private_key=True, password=None)
        .decode()
    ),
    "DEMO_USERNAME": "demo@example.com",
    "DEMO_PASSWORD": secrets.token_urlsafe(32),
}
for name in {*CLIENTS, *CONFIDENTIAL}:
    os.environ[f"{name}_CLIENT_ID"] = name.lower().replace("_", "-")
for name in CONFIDENTIAL:
    os.environ[f"{name}_CLIENT_SECRET"] = secrets.token_urlsafe(32)

from client_registry.claims import Claim  # noqa: E402
from config.settings import *  # noqa: E402, F403
from config.settings import OAUTH2_PROVIDER  # noqa: E402

OPENID_SCOPES = {
    "openid": "Know who you are when you come back",
    "profile": "See your name",
    "email": "See your e-mail address",
}
CLAIMS = {
    "name": Claim("name", "profile"),
    "email": Claim("email", "email"),
    "email_verified": Claim("email_verified", "email"),
    "staff": Claim("is_staff", "profile", ["orders"]),
}

OAUTH2_PROVIDER |= {  # seconds
    "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
    "ID_TOKEN_EXPIRE_SECONDS": 600,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 14 * 24 * 3600,
}
