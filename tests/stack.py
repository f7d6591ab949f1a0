"""Run a generated project as its user does: ``make`` in its folder, Ctrl-C to stop."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEFTOVERS = (
    *(".git", ".venv", "build", "__pycache__", ".*_cache"),
    *(".env", ".secrets", "backups", "*.sqlite3*"),
)
# Includes the downloads of `make install`.
START_SECONDS = 600
STOP_SECONDS = 120
# Below the range of ephemeral ports.
PORTS = range(20_000, 32_000)
MAX_WORKERS = 8


def copy_template(folder):
    """Copy the template into `folder` without caches and databases.

    Cookiecutter would copy them into the project.
    """
    return Path(
        shutil.copytree(ROOT, folder / "gatehouse", ignore=shutil.ignore_patterns(*LEFTOVERS))
    )


def make(project, *arguments, **options):
    """Run ``make`` in the folder `project` and return the process."""
    return subprocess.run(["make", "--no-print-directory", *arguments], cwd=project, **options)


def output_of(project, *arguments):
    """Return the output of ``make`` in `project`; ignore its exit code."""
    process = make(
        project,
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return process.stdout


def read_env(project):
    """Return the variables in the `.env` of `project` by name."""
    lines = (project / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))


def urls(project):
    """Return the URLs of the services of `project`: each variable NAME_PORT is a service."""
    env = read_env(project)
    prefixes = [name.removesuffix("_PORT") for name in env if name.endswith("_PORT")]
    return [env[f"{prefix}_URL"] for prefix in prefixes]


def ready(url):
    """Return whether the service at `url` is ready."""
    with suppress(OSError):  # URLError and HTTPError are OSErrors too
        with urllib.request.urlopen(f"{url}/health/ready", timeout=10) as response:
            return response.status == 200
    return False


@contextmanager
def running(project, **options):
    """Run ``make run`` until the block ends; exit if the services do not become ready."""
    process = subprocess.Popen(
        ["make", "--no-print-directory", "run"], cwd=project, start_new_session=True, **options
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not all(map(ready, urls(project))):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("`make run` did not become ready: see above.")
            time.sleep(0.2)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does
        process.wait(timeout=STOP_SECONDS)


def own_ports():
    """Return an iterator over the ports of this worker in random order."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = PORTS[worker % MAX_WORKERS :: MAX_WORKERS]
    return iter(random.sample(ports, len(ports)))


OWN_PORTS = own_ports()


def free_port():
    """Return a free TCP port that is used by no other test."""
    for port in OWN_PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port is free")


def use_free_ports(project):
    """Give each service in the `.env` of `project` a free port."""
    path = project / ".env"
    text = path.read_text(encoding="utf-8")
    for old in re.findall(r"^\w+_PORT=(\d+)$", text, flags=re.M):
        text = re.sub(rf"\b{old}$", str(free_port()), text, flags=re.M)
    path.write_text(text, encoding="utf-8")


def has_compose():
    """Return whether Docker Compose is installed; reading files needs no engine."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0


def python_for_django_6_1():
    """Return the path of a Python 3.12 or newer, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates = [sys.executable, *map(str, sorted(pyenv.glob("3.*/bin/python"), reverse=True))]
    candidates += filter(None, (shutil.which(f"python3.{minor}") for minor in (14, 13, 12)))
    code = "import sys; sys.exit(sys.version_info < (3, 12))"
    for python in candidates:
        if subprocess.run([python, "-c", code], capture_output=True).returncode == 0:
            return python
    return None
