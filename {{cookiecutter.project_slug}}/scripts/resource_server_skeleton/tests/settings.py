"""The settings in an environment that depends on no ``.env`` file and no running server."""

import os
import tempfile
import tomllib
from pathlib import Path

MANIFEST_FILE = Path(__file__).resolve().parents[1] / "resource_server.toml"
PREFIX = tomllib.loads(MANIFEST_FILE.read_text(encoding="utf-8"))["name"].upper().replace("-", "_")

os.environ |= {
    "ENV_FILE": "",
    "ENVIRONMENT": "development",
    "DEBUG": "false",
    "DATA_DIR": tempfile.gettempdir(),
    "AUTHORIZATION_SERVER_URL": "https://as.example.com",
    "AUTHORIZATION_SERVER_INTERNAL_URL": "http://127.0.0.1:9",  # The discard port: nothing answers.
    f"{PREFIX}_URL": "https://api.example.com",
    f"{PREFIX}_SECRET_KEY": "only-for-tests" * 3,
    f"{PREFIX}_DATABASE_URL": "sqlite://:memory:",
    f"{PREFIX}_INTROSPECTION_CLIENT_ID": "introspection",
    f"{PREFIX}_INTROSPECTION_CLIENT_SECRET": "only-for-tests" * 3,
}

from config.settings import *  # noqa: E402, F403
from config.settings import OAUTH2_PROVIDER  # noqa: E402

OAUTH2_PROVIDER["RESOURCE_SERVER_TOKEN_CACHING_SECONDS"] = 60  # The tests count queries.
