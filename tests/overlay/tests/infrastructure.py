"""A pytest plugin for the tests of this folder: services that a test starts beside the stack.

The tests run in the `tests/` folder of a generated project, whose fixtures they use; see
``tests/test_project.py``.
"""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT, START_SECONDS, answers, free_port, until


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
