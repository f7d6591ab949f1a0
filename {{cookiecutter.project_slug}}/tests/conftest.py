"""The whole stack as real processes on free ports, with its own `.env`, databases and keys."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from browser import Browser

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS = [
    tomllib.loads(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.glob("resource_servers/*/resource_server.toml"))
]
REDIRECT_URI = "http://127.0.0.1:8765/callback"
START_SECONDS = 300


def free_port():
    """Return a TCP port that nobody listens on, and that nobody else is given by chance."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        if sys.platform == "linux":
            # Stays bound until these tests end. Linux lets a server listen there all the same.
            holder.detach()
        return port


def prefix_of(name):
    """Return what the variables of the resource server `name` begin with."""
    return name.upper().replace("-", "_")


def read_env(path):
    """Return the variables of an env file by name."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))


@dataclass
class Stack:
    """The running services: their addresses, their variables, and ways to talk to them."""

    env: dict
    environment: dict
    log: Path

    @property
    def url(self):
        """Address of the authorization server."""
        return self.env["AUTHORIZATION_SERVER_URL"]

    def api(self, name, path="whoami/"):
        """Return the address of `path` at the resource server `name`."""
        return f"{self.env[f'{prefix_of(name)}_URL']}/api/{path}"

    def client(self, name, **options):
        """Return Authlib's client for the declared client `name` (``DEMO_MACHINE``, ...)."""
        public = f"{name}_CLIENT_SECRET" not in self.env
        method = "none" if public else "client_secret_basic"
        return OAuth2Session(
            self.env[f"{name}_CLIENT_ID"],
            self.env.get(f"{name}_CLIENT_SECRET"),
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            **options,
        )

    def machine_token(self, scope, **options):
        """Return a new access token of the demo machine."""
        client = self.client("DEMO_MACHINE", scope=scope)
        token = client.fetch_token(
            f"{self.url}/o/token/", grant_type="client_credentials", **options
        )
        return token["access_token"]

    def manage(self, *arguments):
        """Run a management command of the authorization server."""
        return subprocess.run(
            [sys.executable, ROOT / "authorization_server" / "manage.py", *arguments],
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Return the environment of a stack that shares nothing with the one of `make run`."""
    folder = tmp_path_factory.mktemp("stack")
    env_file = folder / ".env"
    # Short, so that the tests of revocation need not wait for long.
    lines = ["RESOURCE_SERVER_TOKEN_CACHING_SECONDS=2"]
    for name in ["AUTHORIZATION_SERVER", *(prefix_of(manifest["name"]) for manifest in MANIFESTS)]:
        port = free_port()
        lines += [f"{name}_PORT={port}", f"{name}_URL=http://localhost:{port}"]
    # What is missing, the secrets above all, is added by run.py as it is to any `.env`.
    env_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    inherited = {key: value for key, value in os.environ.items() if key not in read_env(env_file)}
    return inherited | {"ENV_FILE": str(env_file), "DATA_DIR": str(folder / "var")}


@pytest.fixture(scope="session")
def stack(environment):
    """Start everything as `make run` does, wait until it is ready, and stop it at the end."""
    log = Path(environment["ENV_FILE"]).with_name("log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "run.py"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_ready(process, environment, log)
        yield Stack(read_env(Path(environment["ENV_FILE"])), environment, log)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def wait_until_ready(process, environment, log):
    """Return when every service is ready; fail with the log when one does not get there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        env = read_env(Path(environment["ENV_FILE"]))
        urls = [value for name, value in env.items() if name.endswith("_URL")]
        if all(answers(f"{url}/health/ready") for url in urls):
            return
        time.sleep(0.2)
    pytest.fail(f"the stack did not start:\n{log.read_text()}")


def answers(url):
    """Return whether `url` answers 200."""
    try:
        return requests.get(url, timeout=10).status_code == 200
    except requests.RequestException:
        return False


@pytest.fixture
def browser(stack):
    """Return the browser of a person who has not logged in."""
    return Browser()


@pytest.fixture
def first():
    """Return the manifest of one resource server."""
    return MANIFESTS[0]


@pytest.fixture
def second():
    """Return the manifest of another resource server."""
    if len(MANIFESTS) < 2:
        pytest.skip("this project has one resource server")
    return MANIFESTS[1]


@pytest.fixture
def sign_in(stack, browser):
    """Return a function that walks through login and consent and returns client and token."""

    def sign_in(scope, **options):
        client = stack.client(
            "DEMO_BROWSER",
            scope=scope,
            redirect_uri=REDIRECT_URI,
            code_challenge_method="S256",
        )
        verifier = "a-verifier-that-a-real-client-makes-at-random-0123456789"
        url, _ = client.create_authorization_url(
            f"{stack.url}/o/authorize/", code_verifier=verifier, nonce="n-0S6_WzA2Mj", **options
        )
        browser.open(url)
        browser.log_in(stack.env["DEMO_USERNAME"], stack.env["DEMO_PASSWORD"])
        callback = browser.submit(allow="true")
        token = client.fetch_token(
            f"{stack.url}/o/token/", authorization_response=callback, code_verifier=verifier
        )
        return client, token

    return sign_in


def answered(send):
    """Return the response to `send`, which is asked again where 503 says that it took too long.

    A resource server waits for 2 seconds at most, and a machine may be busy for longer.
    """
    for _ in range(10):
        response = send()
        if response.status_code != 503:
            break
        time.sleep(1)
    return response


def get_once(url, token):
    """Send a GET request with a bearer token."""
    return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)


@pytest.fixture
def get():
    """Return a function that gets the answer to a GET request with a bearer token."""
    return lambda url, token: answered(lambda: get_once(url, token))
