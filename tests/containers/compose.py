"""A generated project in containers: commands, and requests to its services."""

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
from urllib3 import make_headers

# The first `up` builds the image, which takes minutes on a busy machine.
UP_SECONDS = 600
# The maximum time for a service to recover.
RECOVERY_SECONDS = 120
# A cache lifetime of tokens that is longer than any test.
CACHING_SECONDS = "600"
AUTHORIZATION_SERVER = "authorization-server"
# The resource servers of the shared stack: the generated one and the added one.
FIRST, ADDED = "orders", "order-history"

Answer = namedtuple("Answer", "status headers json")


def environment_without_make():
    """Return the environment of this process without the variables of a surrounding `make`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


def wait_until(condition):
    """Return when `condition` is true; fail after RECOVERY_SECONDS."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"the condition is false after {RECOVERY_SECONDS} s"
        time.sleep(0.1)


def fetch(method, url, headers=None, **options):
    """Send one request; return the status, headers and JSON object of the response."""
    with connection_pool(url) as pool:
        response = pool.request(
            method,
            urlsplit(url)._replace(scheme="", netloc="").geturl(),
            headers=headers,
            **options,
        )
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    return Answer(response.status, response.headers, response.json() if is_json else {})


def retry_503(send, *arguments, **options):
    """Call `send` until its response is not 503, and return that response.

    A resource server answers 503 if an introspection takes longer than 3 seconds, or 2 for a byte,
    which a busy machine exceeds.
    """
    answers = []

    def has_verdict():
        answers.append(send(*arguments, **options))
        return answers[-1].status != 503

    wait_until(has_verdict)
    return answers[-1]


class Stack:
    """The containers of one project, whose Compose project has the name of its folder.

    Args:
        project: The folder of the project.
        variables: Set in the environment of each command; they have precedence over `.env`.
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
        """Names of the services that listen on a port."""
        servers = (self.project / "resource_servers").glob("*/resource_server.toml")
        return [AUTHORIZATION_SERVER, *sorted(path.parent.name for path in servers)]

    # --- Commands ---------------------------------------------------------------------------------

    def run(self, *command, check=True, timeout=UP_SECONDS, **options):
        """Run a command in the folder of the project; return the process with its output."""
        process = subprocess.run(
            command,
            cwd=self.project,
            env=environment_without_make() | self.variables,
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
        """Start all services, and return when they are healthy."""
        process = self.compose("up", "--wait", *arguments, check=False)
        if process.returncode:
            logs = self.compose("logs", "--tail", "5", check=False).stdout
            raise AssertionError(f"up --wait: {process.stdout}\n{logs}")
        return process

    def python(self, service, code, **options):
        """Run Python code in the running container of `service`."""
        return self.compose("exec", "--no-TTY", service, "python", "-c", code, **options)

    @contextmanager
    def restored(self):
        """Start all services again after the block; delete the data if they do not start."""
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
        """Remove all images of the project, including untagged ones of earlier builds."""
        label = f"label=com.docker.compose.project={self.name}"
        images = set(docker("image", "ls", "--quiet", "--filter", label).stdout.split())
        if images:
            docker("image", "rm", "--force", *images)

    # --- Containers -------------------------------------------------------------------------------

    def containers(self, *services):
        """Return the description of each container of some services, or of all."""
        names = self.compose("ps", "--all", "--quiet", *services).stdout.split()
        return inspect(*names)

    def start_times(self, service):
        """Return the id and the start time of each container of a service."""
        return [[each["Id"], each["State"]["StartedAt"]] for each in self.containers(service)]

    def logs(self, *services):
        """Return the logs of the containers."""
        text = self.compose("logs", "--no-color", "--no-log-prefix", *services).stdout
        return text.replace("\x1b[2K", "")  # Compose 2.26 clears each line, also in a file.

    # --- Requests ---------------------------------------------------------------------------------

    def url(self, service, path=""):
        """Return the public URL of `path` at a service."""
        return self.env[f"{service.upper().replace('-', '_')}_URL"] + path

    def token(self, scope):
        """Return a header with a new token of the demo machine (RFC 6749 section 4.4)."""
        names = "DEMO_MACHINE_CLIENT_ID", "DEMO_MACHINE_CLIENT_SECRET"
        credentials = ":".join(self.env[name] for name in names)
        answer = fetch(
            "POST",
            self.url(AUTHORIZATION_SERVER, "/o/token/"),
            make_headers(basic_auth=credentials),
            fields={"grant_type": "client_credentials", "scope": scope},
            encode_multipart=False,
        )
        assert answer.status == 200, answer
        return {"Authorization": f"Bearer {answer.json['access_token']}"}

    def whoami(self, service, headers):
        """Return the response of `/api/whoami/` to a request with `headers`."""
        return retry_503(fetch, "GET", self.url(service, "/api/whoami/"), headers)

    def add_item(self, service, name):
        """Create an item at a resource server."""
        headers = self.token(f"{service}:write") | {"Content-Type": "application/json"}
        body = json.dumps({"name": name})
        answer = retry_503(fetch, "POST", self.url(service, "/api/items/"), headers, body=body)
        assert answer.status == 201

    def has_item(self, service, name):
        """Return whether a resource server has the item."""
        url = self.url(service, f"/api/items/?{urlencode({'name': name})}")
        return retry_503(fetch, "GET", url, self.token(f"{service}:read")).json["count"] == 1
