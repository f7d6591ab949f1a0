"""A pytest plugin for the tests of this folder: people at browsers, and services beside the stack.

The tests run in the `tests/` folder of a generated project, whose fixtures they use; see
``tests/test_project.py``.
"""

import os
import signal
import subprocess
import sys
import time

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from browser import Browser
from conftest import MANIFESTS, ROOT, START_SECONDS, answers, free_port, until

REDIRECT_URI = "http://127.0.0.1:8765/callback"
VERIFIER = "a-verifier-that-a-real-client-makes-at-random-0123456789"


def client_of(stack, name, **options):
    """Return Authlib's client for a declared client (``DEMO_MACHINE``, ...)."""
    secret = stack.env.get(f"{name}_CLIENT_SECRET")
    method = "client_secret_basic" if secret else "none"
    return OAuth2Session(
        stack.env[f"{name}_CLIENT_ID"],
        secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        **options,
    )


def machine_token(stack, scope, **options):
    """Return a new access token of the demo machine."""
    client = client_of(stack, "DEMO_MACHINE", scope=scope)
    url = f"{stack.url}/o/token/"
    return client.fetch_token(url, grant_type="client_credentials", **options)["access_token"]


@pytest.fixture
def first():
    """Return the manifest of one resource server."""
    return MANIFESTS[0]


def get_once(url, token):
    """Send a GET request with a bearer token."""
    return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)


@pytest.fixture
def get():
    """Return a function that sends a GET request with a bearer token, again after a 503.

    A resource server waits 2 seconds for the authorization server; a busy machine may need longer.
    """

    def get(url, token):
        for _ in range(10):
            response = get_once(url, token)
            if response.status_code != 503:
                break
            time.sleep(1)
        return response

    return get


class Server:
    """A service that a test starts for itself, in a process group of its own.

    Args:
        stack: The services that it uses.
        folder: The folder of the service.
        log: The file for its output.
        variables: Variables that differ from those of the stack.
    """

    def __init__(self, stack, folder, log, **variables):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.folder, self.log = ROOT / folder, log
        self.environment = stack.environment | stack.env | {"WEB_RELOAD": "false"} | variables

    def launch(self):
        """Start it without waiting."""
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "deploy" / "serve.py", self.url.removeprefix("http://")],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self):
        """Return when it answers."""
        until(lambda: answers(f"{self.url}/health/live"), START_SECONDS)

    def send(self, number):
        """Send a signal to all of its processes."""
        os.killpg(self.process.pid, number)

    def stop(self, number=signal.SIGTERM):
        """End all of its processes."""
        self.send(number)
        self.process.wait(timeout=30)

    def __enter__(self):
        self.launch()
        self.wait()
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.stop()


@pytest.fixture
def resource_server(stack, first, tmp_path):
    """Return a function that describes one more process of a resource server."""
    folder = f"resource_servers/{first['name']}"
    return lambda **variables: Server(stack, folder, tmp_path / "log", **variables)


def log_in(stack, browser):
    """Fill in the login page that is open; return a redirect to the client, if there is one."""
    return browser.log_in(stack.env["DEMO_USERNAME"], stack.env["DEMO_PASSWORD"])


@pytest.fixture
def browser(stack):
    """Return the browser of a person who has not logged in."""
    return Browser()


@pytest.fixture
def second():
    """Return the manifest of another resource server."""
    if len(MANIFESTS) < 2:
        pytest.skip("this project has one resource server")
    return MANIFESTS[1]


@pytest.fixture
def authorize(stack, browser):
    """Return a function that sends an authorization request and logs in, up to the consent page.

    It returns the client, and the redirect to it if there is one already.
    """

    def authorize(scope, redirect_uri=REDIRECT_URI, method="S256", more=""):
        client = client_of(
            stack,
            "DEMO_BROWSER",
            scope=scope,
            redirect_uri=redirect_uri,
            code_challenge_method=method,
        )
        options = {"code_verifier": VERIFIER} if method else {}
        url, _ = client.create_authorization_url(
            f"{stack.url}/o/authorize/", nonce="n-0S6_WzA2Mj", **options
        )
        return client, browser.open(url + more) or log_in(stack, browser)

    return authorize


@pytest.fixture
def sign_in(stack, browser, authorize):
    """Return a function that logs in and consents, and returns the client and its tokens."""

    def sign_in(scope):
        client, _ = authorize(scope)
        callback = browser.submit(allow="true")
        tokens = client.fetch_token(
            f"{stack.url}/o/token/", authorization_response=callback, code_verifier=VERIFIER
        )
        return client, tokens

    return sign_in
