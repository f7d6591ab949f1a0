"""A generated project in containers, and how to ask its services."""

import base64
import json
import os
import subprocess
import time
from collections import namedtuple
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

from engine import docker, inspect
from load import connection_pool
from stack import read_env

# A first `up` builds the image; on a machine that is busy with other tests, minutes.
UP_SECONDS = 600
# How long a service may take to work again; patience, which costs nothing when it works.
AGAIN_SECONDS = 120
# How long a resource server remembers a token where a test says so: longer than any test takes.
REMEMBERED_SECONDS = "600"
AUTHORIZATION_SERVER = "authorization-server"
# The resource servers of the shared stack: with which it was generated, and that was added.
FIRST, ADDED = "orders", "order-history"

Answer = namedtuple("Answer", "status headers json")


def surroundings():
    """Return the environment of this process, without what a `make` around it would pass on."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


def wait_until(condition):
    """Return when `condition` is true; fail when that takes too long."""
    deadline = time.monotonic() + AGAIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not so after {AGAIN_SECONDS} s"
        time.sleep(0.1)


def ask(method, url, headers=None, **options):
    """Send one request and return status, headers and JSON object of its answer."""
    with connection_pool(url) as pool:
        response = pool.request(
            method,
            urlsplit(url)._replace(scheme="", netloc="").geturl(),
            headers=headers,
            **options,
        )
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    return Answer(response.status, response.headers, response.json() if is_json else {})


def informed(send, *arguments, **options):
    """Return what `send` gets from a resource server that knows about the token.

    Where the authorization server takes longer than 3 seconds, or 2 for a byte, the answer is 503.
    That says nothing about the token, and on a busy machine nothing about the services.
    """
    answers = []

    def is_known():
        answers.append(send(*arguments, **options))
        return answers[-1].status != 503

    wait_until(is_known)
    return answers[-1]


class Stack:
    """The containers of one project, whose Compose project has the name of its folder.

    Args:
        project: The folder of the project.
        variables: Set in the environment of each command, where they win over `.env`.
    """

    def __init__(self, project, variables=None):
        self.project, self.name = project, project.name
        self.variables = variables or {}

    @property
    def env(self):
        """Variables of the project by name."""
        return read_env(self.project) | self.variables

    @property
    def services(self):
        """Names of the services that listen, without those that run once."""
        servers = (self.project / "resource_servers").glob("*/resource_server.toml")
        return [AUTHORIZATION_SERVER, *sorted(path.parent.name for path in servers)]

    # --- Commands ---------------------------------------------------------------------------------

    def run(self, *command, check=True, timeout=UP_SECONDS, **options):
        """Run a command in the folder of the project; return the process with its output."""
        process = subprocess.run(
            command,
            cwd=self.project,
            env=surroundings() | self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            **options,
        )
        assert not check or process.returncode == 0, f"{command}:\n{process.stdout}"
        return process

    def compose(self, *arguments, **options):
        """Run ``docker compose``."""
        return self.run("docker", "compose", *arguments, **options)

    def make(self, *arguments, **options):
        """Run ``make``."""
        return self.run("make", "--no-print-directory", *arguments, **options)

    def up(self, *arguments):
        """Start what does not run, and return when all of it is healthy."""
        process = self.compose("up", "--wait", *arguments, check=False)
        if process.returncode:
            logs = self.compose("logs", "--tail", "5", check=False).stdout
            raise AssertionError(f"up --wait: {process.stdout}\n{logs}")
        return process

    def python(self, service, code, **options):
        """Run some Python in the running container of `service`."""
        return self.compose("exec", "--no-TTY", service, "python", "-c", code, **options)

    @contextmanager
    def spoiled(self):
        """Let the block spoil something; behind it everything runs, with the old data or new."""
        try:
            yield self
        finally:
            if self.compose("up", "--wait", check=False).returncode:
                self.remove()
                self.up()

    def remove(self):
        """Remove all containers, networks and volumes of the project."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)

    def remove_images(self):
        """Remove what was built for the project, also what a later build took the name from."""
        ours = f"label=com.docker.compose.project={self.name}"
        images = set(docker("image", "ls", "--quiet", "--filter", ours).stdout.split())
        if images:
            docker("image", "rm", "--force", *images)

    # --- What runs --------------------------------------------------------------------------------

    def containers(self, *services):
        """Return what the engine knows of each container, of some services or all."""
        names = self.compose("ps", "--all", "--quiet", *services).stdout.split()
        return inspect(*names)

    def starts(self, service):
        """Return which containers a service has, and when they were started."""
        return [[each["Id"], each["State"]["StartedAt"]] for each in self.containers(service)]

    def logs(self, *services):
        """Return all that the containers have written."""
        text = self.compose("logs", "--no-color", "--no-log-prefix", *services).stdout
        return text.replace("\x1b[2K", "")  # Compose 2.26 clears each line, in a file too.

    # --- What it answers --------------------------------------------------------------------------

    def url(self, service, path=""):
        """Return the public address of `path` at a service."""
        return self.env[f"{service.upper().replace('-', '_')}_URL"] + path

    def token(self, scope):
        """Return the header with a new token of the demo machine (RFC 6749 section 4.4)."""
        words = f"{self.env['DEMO_MACHINE_CLIENT_ID']}:{self.env['DEMO_MACHINE_CLIENT_SECRET']}"
        answer = ask(
            "POST",
            self.url(AUTHORIZATION_SERVER, "/o/token/"),
            headers={
                "Authorization": f"Basic {base64.b64encode(words.encode()).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=urlencode({"grant_type": "client_credentials", "scope": scope}),
        )
        assert answer.status == 200, answer
        return {"Authorization": f"Bearer {answer.json['access_token']}"}

    def whoami(self, service, headers):
        """Return the answer of a resource server to the sender of `headers`."""
        return informed(ask, "GET", self.url(service, "/api/whoami/"), headers)

    def add_item(self, service, name):
        """Make an item at a resource server."""
        headers = self.token(f"{service}:write") | {"Content-Type": "application/json"}
        body = json.dumps({"name": name})
        answer = informed(ask, "POST", self.url(service, "/api/items/"), headers, body=body)
        assert answer.status == 201

    def has_item(self, service, name):
        """Return whether a resource server has the item."""
        url = self.url(service, f"/api/items/?{urlencode({'name': name})}")
        return informed(ask, "GET", url, self.token(f"{service}:read")).json["count"] == 1
