"""The services as real processes on free ports, with their own `.env`, databases, keys and clients.

The stack is what `make run` starts.
"""

import os
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
from _project import env_prefix, variables

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS = [
    tomllib.loads(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.glob("resource_servers/*/resource_server.toml"))
]
START_SECONDS = 300
CACHING_SECONDS = 2  # Short: tests of revocation wait for it.


def free_port():
    """Return a TCP port that no other test and no other program gets."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        if sys.platform == "linux":
            # It stays bound until the tests end. Linux lets a server listen there nevertheless.
            holder.detach()
        return port


def answers(url):
    """Return whether `url` answers 200."""
    try:
        return requests.get(url, timeout=10).status_code == 200
    except requests.RequestException:
        return False


def until(holds, seconds=60, pause=0.1):
    """Return once `holds()` is true; fail after some seconds, which a busy machine may need."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(pause)


@dataclass
class Stack:
    """The running services: their variables and addresses."""

    environment: dict
    log: Path

    @property
    def env(self):
        """Variables of the `.env` of these tests."""
        return variables(Path(self.environment["ENV_FILE"]).read_text(encoding="utf-8"))

    @property
    def url(self):
        """Address of the authorization server."""
        return self.env["AUTHORIZATION_SERVER_URL"]

    def api(self, name, path="/api/whoami/"):
        """Return the address of `path` at the resource server `name`."""
        return self.env[f"{env_prefix(name)}_URL"] + path


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Return the environment of a stack that shares nothing with the one of `make run`."""
    folder = tmp_path_factory.mktemp("stack")
    lines = [f"RESOURCE_SERVER_TOKEN_CACHING_SECONDS={CACHING_SECONDS}", "ENVIRONMENT=development"]
    lines += [f"DEMO_{name}_CLIENT_ID=demo-{name.lower()}" for name in ("BROWSER", "DEVICE")]
    for name in ["AUTHORIZATION_SERVER", *(env_prefix(each["name"]) for each in MANIFESTS)]:
        port = free_port()
        lines += [f"{name}_PORT={port}", f"{name}_URL=http://localhost:{port}"]
    text = "\n".join(lines) + "\n"
    # run.py adds the secrets, as to every `.env`.
    (folder / ".env").write_text(text, encoding="utf-8")
    inherited = {key: value for key, value in os.environ.items() if key not in variables(text)}
    return inherited | {
        "ENV_FILE": str(folder / ".env"),
        "DATA_DIR": str(folder / "var"),
        "CLIENTS_FILE": str(Path(__file__).with_name("clients.toml")),
    }


@pytest.fixture(scope="session")
def stack(environment):
    """Start everything as `make run` does, wait until it is ready, and stop it at the end."""
    stack = Stack(environment, Path(environment["ENV_FILE"]).with_name("log"))
    with stack.log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "run.py"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def is_ready():
        if process.poll() is not None:
            pytest.fail(f"the stack did not start:\n{stack.log.read_text()}")
        urls = [stack.url, *(stack.api(manifest["name"], "") for manifest in MANIFESTS)]
        return all(answers(f"{url}/health/ready") for url in urls)

    try:
        until(is_ready, START_SECONDS)
        yield stack
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
