"""Third-party authorization servers and a generated resource server, as processes.

Each context manager runs one server on a free port. `oidc_provider` needs Node.js.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest
import requests
from stack import STOP_SECONDS, free_port

HERE = Path(__file__).parent
NODE_MODULES = HERE.parents[1] / "build" / "tests" / "oidc-provider"
START_SECONDS = 300
CACHING_SECONDS = 1
ORDERS, INVENTORY = "https://orders.example.com", "https://inventory.example.com"
OPAQUE_INVENTORY = "urn:inventory:opaque"
# Secrets of test clients, long enough for every server.
CLIENTS = {
    name: f"a-secret-for-tests-only-of-the-client-{name}" for name in ("importer", "orders-api")
}
PASSWORD = "Passw0rd!of-a-test"


@contextmanager
def running(command, url, *, log, **options):
    """Run `command`, and enter the block when `url` answers 200."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(url):
            alive = process.poll() is None and time.monotonic() < deadline
            assert alive, Path(log).read_text(encoding="utf-8")
            time.sleep(0.1)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=STOP_SECONDS)


def answers(url):
    """Return whether `url` answers 200."""
    with suppress(requests.RequestException):
        return requests.get(url, timeout=10).status_code == 200
    return False


# --- Amazon Cognito: moto -------------------------------------------------------------------------


@dataclass
class Cognito:
    """A user pool with a resource server, two clients, and the user Jane in `orders-admins`."""

    url: str
    api: object = field(repr=False)
    pool: str = ""
    client_id: str = ""
    other_client_id: str = ""

    @property
    def jwks_url(self):
        return f"{self.url}/{self.pool}/.well-known/jwks.json"

    def set_up(self):
        """Create the objects that docs/issuers/cognito.md describes."""
        self.pool = self.api.create_user_pool(PoolName="acme")["UserPool"]["Id"]
        self.api.create_resource_server(
            UserPoolId=self.pool,
            Identifier="orders",
            Name="Orders",
            Scopes=[{"ScopeName": "read", "ScopeDescription": "See your orders"}],
        )
        self.client_id = self._create_client("shop")
        self.other_client_id = self._create_client("other")
        self.api.admin_create_user(UserPoolId=self.pool, Username="jane", MessageAction="SUPPRESS")
        self.api.admin_set_user_password(
            UserPoolId=self.pool, Username="jane", Password=PASSWORD, Permanent=True
        )
        self.api.create_group(UserPoolId=self.pool, GroupName="orders-admins")
        self.api.admin_add_user_to_group(
            UserPoolId=self.pool, Username="jane", GroupName="orders-admins"
        )
        return self

    def _create_client(self, name):
        response = self.api.create_user_pool_client(
            UserPoolId=self.pool,
            ClientName=name,
            ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"],
        )
        return response["UserPoolClient"]["ClientId"]

    def log_in(self, client_id=None):
        """Return the tokens of Jane (``AccessToken``, ``IdToken``)."""
        answer = self.api.admin_initiate_auth(
            UserPoolId=self.pool,
            ClientId=client_id or self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "jane", "PASSWORD": PASSWORD},
        )
        return answer["AuthenticationResult"]


@contextmanager
def cognito(folder):
    """Run moto's server; yield its `Cognito`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    with running(command, f"{url}/moto-api/", log=folder / "moto.log"):
        api = boto3.client(
            "cognito-idp",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="made-up",
            aws_secret_access_key="made-up",
        )
        yield Cognito(url, api).set_up()


# --- RFC 9068 and RFC 7662: oidc-provider ---------------------------------------------------------


def rfc9068(provider, audience):
    """Return the settings of a resource server to verify JWTs of a provider."""
    return {
        "ISSUERS": "rfc9068",
        "RFC9068_ISSUER": provider.url,
        "RFC9068_AUDIENCE": audience,
        "RFC9068_JWKS_URL": f"{provider.url}/jwks",
    }


@dataclass
class Issuer:
    """An authorization server with the client credentials grant (RFC 6749 section 4.4)."""

    url: str
    token_path: str
    revocation_path: str
    process: subprocess.Popen
    client: tuple = ("importer", CLIENTS["importer"])

    def token(self, scope, **parameters):
        """Return a new access token of `client`."""
        answer = requests.post(
            self.url + self.token_path,
            auth=self.client,
            data={"grant_type": "client_credentials", "scope": scope, **parameters},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def revoke(self, token):
        """Revoke a token (RFC 7009)."""
        answer = requests.post(
            self.url + self.revocation_path,
            auth=self.client,
            data={"token": token},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text


class OIDCProvider(Issuer):
    """The Node server `oidc-provider`, certified by the OpenID Foundation."""

    def key_ids(self):
        """Return the ids of the published keys."""
        jwks = requests.get(f"{self.url}/jwks", timeout=10).json()
        return [key["kid"] for key in jwks["keys"]]

    def rotate_keys(self):
        """Sign with a new key; the previous key stays published until the next rotation."""
        before = self.key_ids()
        self.process.send_signal(signal.SIGUSR2)
        deadline = time.monotonic() + START_SECONDS
        while self.key_ids() == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def install_oidc_provider():
    """Install `oidc-provider` if it is missing; a lock keeps other test processes waiting."""
    NODE_MODULES.mkdir(parents=True, exist_ok=True)
    with open(NODE_MODULES / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # npm writes this file last.
        if not (NODE_MODULES / "node_modules" / ".package-lock.json").is_file():
            install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "oidc-provider@9"]
            subprocess.run(install, cwd=NODE_MODULES, check=True)
        # Replace the file atomically: another process may be reading it.
        copy = shutil.copy(HERE / "oidc_provider.mjs", NODE_MODULES / "copy")
        os.replace(copy, NODE_MODULES / "oidc_provider.mjs")


@contextmanager
def oidc_provider(folder, client="importer"):
    """Run `oidc-provider` from npm, and yield an `OIDCProvider` for the client named `client`.

    Skips the test if Node.js is not installed.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node.js and npm are not installed")
    install_oidc_provider()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    clients = CLIENTS | {client: CLIENTS["importer"]}
    registered = [{"client_id": name, "client_secret": secret} for name, secret in clients.items()]
    command = ["node", "oidc_provider.mjs", port, json.dumps(registered)]
    discovery = f"{url}/.well-known/openid-configuration"
    with running(command, discovery, log=folder / "oidc.log", cwd=NODE_MODULES) as process:
        credentials = client, clients[client]
        yield OIDCProvider(url, "/token", "/token/revocation", process, credentials)


# --- RFC 7662: canaille ---------------------------------------------------------------------------


@contextmanager
def canaille(folder):
    """Run Canaille, a Python server with opaque tokens; yield an `Issuer`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, HERE / "canaille_server.py", port, json.dumps(CLIENTS)]
    discovery = f"{url}/.well-known/openid-configuration"
    with running(command, discovery, log=folder / "canaille.log", cwd=folder) as process:
        yield Issuer(url, "/oauth/token", "/oauth/revoke", process)


# --- A generated resource server ------------------------------------------------------------------


@contextmanager
def resource_server(project, name, folder, **variables):
    """Run the resource server `name` of `project` with more `variables`; yield its URL."""
    prefix, port = name.upper(), free_port()
    url = f"http://127.0.0.1:{port}"
    python = project / ".venv" / "bin" / "python"
    environment = os.environ | {
        f"{prefix}_URL": url,
        "DATA_DIR": str(folder / f"{name}-{port}"),
        "WEB_RELOAD": "false",
        "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": str(CACHING_SECONDS),
        **variables,
    }
    options = {"cwd": project / "resource_servers" / name, "env": environment}
    subprocess.run(
        [python, "manage.py", "migrate", "--no-input", "--verbosity=0"], check=True, **options
    )
    command = [python, project / "deploy" / "serve.py", f"127.0.0.1:{port}"]
    with running(command, f"{url}/health/live", log=folder / f"{name}-{port}.log", **options):
        yield url


def whoami(url, token):
    """Return the response of `/api/whoami/` to a request with `token`."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{url}/api/whoami/", headers=headers, timeout=10)


def manage(project, name, *arguments, **variables):
    """Run a management command of a resource server; return the process."""
    return subprocess.run(
        [project / ".venv" / "bin" / "python", "manage.py", *arguments],
        cwd=project / "resource_servers" / name,
        env=os.environ | variables,
        capture_output=True,
        encoding="utf-8",
    )


def create_item(url, token, name):
    """Create an item at a resource server; return the response."""
    return requests.post(
        f"{url}/api/items/",
        headers={"Authorization": f"Bearer {token}"},
        json={"name": name},
        timeout=10,
    )


def items(url, token):
    """Return the number of items of the owner of `token`."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{url}/api/items/", headers=headers, timeout=10).json()["count"]


def eventually(condition):
    """Return whether `condition` becomes true before the cached responses expire."""
    deadline = time.monotonic() + CACHING_SECONDS
    while True:
        # A request counts if it was sent in time, however long its response takes.
        is_last = time.monotonic() > deadline
        if condition():
            return True
        if is_last:
            return False
        time.sleep(0.1)
