"""The reference of B2c: glewlwyd, an authorization server written in C, from its Debian package.

It is given what makes it fastest: tokens whose digests are in its database, so that no signature is
checked; a client secret that is compared and not hashed; `token_type_hint`, which saves it a query;
and an index that its schema lacks, without which each introspection reads the scopes of all tokens.
"""

import http.client
import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import processes

INTROSPECT = "/api/bench/introspect"
SCHEMA = Path("/usr/share/dbconfig-common/data/glewlwyd/install")
CLIENT_ID, SECRET = "bench", "a-secret-for-the-benchmark-only-0123456789"

CONFIGURATION = """
port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}/"
api_prefix="api"
log_mode="console"
log_level="ERROR"
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA256"
database = {{
  type = "postgre"
  conninfo = "host={host} port={database_port} dbname=glewlwyd user=bench"
}};
"""
PLUGIN = {
    "module": "oauth2-glewlwyd",
    "name": "bench",
    "display_name": "bench",
    "enabled": True,
    "parameters": {
        "jwt-type": "sha",
        "jwt-key-size": "256",
        "key": SECRET,
        "code-duration": 600,
        "refresh-token-duration": 86400,
        "access-token-duration": 86400,
        "auth-type-client-enabled": True,
        "auth-type-code-enabled": False,
        "auth-type-implicit-enabled": False,
        "auth-type-password-enabled": False,
        "auth-type-refresh-enabled": False,
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
    },
}
CLIENT = {
    "client_id": CLIENT_ID,
    "name": "bench",
    "enabled": True,
    "confidential": True,
    "client_secret": SECRET,
    "authorization_type": ["client_credentials"],
    "scope": ["orders:read"],
}
TOKENS = """
INSERT INTO gpg_access_token (gpga_plugin_name, gpga_authorization_type, gpga_client_id,
    gpga_issued_for, gpga_token_hash)
SELECT 'bench', 3, 'bench', '127.0.0.1',
    '{{SHA256}}' || encode(sha256(('bench-' || number)::bytea), 'base64')
FROM generate_series(1, {count}) AS number;
INSERT INTO gpg_access_token_scope (gpga_id, gpgas_scope)
SELECT gpga_id, 'orders:read' FROM gpg_access_token;
CREATE INDEX ON gpg_access_token_scope (gpga_id);
"""


def is_installed():
    """Return whether the Debian package is installed."""
    return bool(shutil.which("glewlwyd")) and SCHEMA.is_dir()


@contextmanager
def serve(bench, tokens):
    """Run the server with a database of its own with `tokens` tokens; yield its URL and process."""
    create_database(bench, tokens)
    database, port = urlsplit(bench.database), processes.free_port()
    path = processes.BUILD / "glewlwyd.conf"
    path.write_text(
        CONFIGURATION.format(port=port, host=database.hostname, database_port=database.port)
    )
    url = f"http://127.0.0.1:{port}"
    with processes.process(["glewlwyd", "--config-file", path], url=f"{url}/api/auth/") as running:
        configure(port)
        yield url, running


def create_database(bench, tokens):
    """Create the database with the scripts of the package, and the tokens."""
    bench.sql("postgres", "CREATE DATABASE glewlwyd")
    bench.sql("glewlwyd", "CREATE EXTENSION pgcrypto")
    for name in ("pgsql", "postgre.default.sql"):
        bench.sql("glewlwyd", (SCHEMA / name).read_text(encoding="utf-8"))
    bench.sql("glewlwyd", TOKENS.format(count=tokens))
    bench.sql("glewlwyd", "VACUUM ANALYZE")


def configure(port):
    """Register the plugin and the client, as its administrator does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"}

    def post(path, value):
        connection.request("POST", path, json.dumps(value), headers)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, (path, response.status, answer)
        return response

    signed_in = post("/api/auth/", {"username": "admin", "password": "password"})
    headers["Cookie"] = signed_in.headers["Set-Cookie"].partition(";")[0]
    post("/api/mod/plugin/", PLUGIN)
    post(
        "/api/scope/", {"name": "orders:read", "display_name": "orders", "password_required": False}
    )
    post("/api/client/", CLIENT)
