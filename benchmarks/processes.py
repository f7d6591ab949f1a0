"""Processes of the benchmarks: a generated project, PostgreSQL and the reference server.

Each process listens on a free port of the loopback interface and is stopped by its process group.
"""

import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

from cookiecutter.main import cookiecutter

HERE = Path(__file__).parent
BUILD = HERE.parent / "build" / "bench"
sys.path.insert(0, str(HERE.parent / "tests"))
from stack import copy_template, free_port, read_env, running, use_free_ports  # noqa: E402

START_SECONDS = 60


def require_programs(*programs):
    """Exit with one sentence if a program is missing."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        sys.exit(
            f"`make bench` needs {', '.join(missing)}: on Debian, "
            "`apt-get install postgresql wrk nodejs npm`."
        )


def tree(pid):
    """Return the identifiers of a process and its descendants."""
    children = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            parent = path.read_text().rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_seconds(pid):
    """Return the CPU time of a process and its descendants, user and system, in seconds."""
    # Linux numbers the CPU clock of a process like this; /proc/PID/stat counts hundredths.
    return sum(time.clock_gettime(~each << 3 | 2) for each in tree(pid))


def memory(pid):
    """Return the resident memory of a process and its descendants in MiB: all, and shared once."""
    sizes = {"Rss": 0, "Pss": 0}
    for each in tree(pid):
        with suppress(OSError):
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()[1:]
            fields = dict(line.split(":") for line in lines)
            for name in sizes:
                sizes[name] += int(fields[name].split()[0]) / 1024
    return sizes["Rss"], sizes["Pss"]


@contextmanager
def process(command, *, url=None, **options):
    """Run `command` until the block ends; wait until `url` sends a response of any status."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "log").open("ab") as log:
        running = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **options
        )
    try:
        if url:
            wait_for(url, running)
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def wait_for(url, running):
    """Return when `url` sends a response; exit if the time is over or the process has ended."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and running.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{url} does not respond: see {BUILD / 'log'}.")


def run_for_output(*command):
    """Run a command and return its output."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def postgresql_folder():
    """Return the folder of PostgreSQL's programs, which Debian does not put on the PATH."""
    return Path(sorted(glob.glob("/usr/lib/postgresql/*/bin") or ["/usr/bin"])[-1])


@contextmanager
def postgresql():
    """Run a new PostgreSQL server; yield its URL without the name of a database."""
    bin_folder = postgresql_folder()
    folder, port = BUILD / "postgresql", free_port()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    run = {"user": user, "cwd": "/", "check": True, "stdout": subprocess.DEVNULL}
    initdb = [bin_folder / "initdb", "-D", folder / "data", "-U", "bench", "-A", "trust"]
    subprocess.run(initdb, **run)
    server = [bin_folder / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder]
    # The tokens of a benchmark are not worth a log that survives a crash.
    options = ["fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0"]
    options += ["max_wal_size=4GB", "shared_buffers=512MB", "maintenance_work_mem=256MB"]
    server += [argument for option in options for argument in ("-c", option)]
    with process(server, user=user, cwd="/"):
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"postgres://bench@127.0.0.1:{port}"


class Project:
    """A project with the default answers, installed in ``build/bench``."""

    def __init__(self):
        folder = BUILD / "project"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.root = Path(
            cookiecutter(str(copy_template(folder)), no_input=True, output_dir=str(folder))
        )
        # As `make install` does.
        install = ["uv", "sync", "--quiet", "--compile-bytecode"]
        subprocess.run(install, cwd=self.root, check=True)
        self.bin = self.root / ".venv" / "bin"
        use_free_ports(self.root)
        self.variables = read_env(self.root)
        self.environment = os.environ | self.variables | {"DATA_DIR": str(folder / "var")}

    def versions(self):
        """Return the versions of the measured software in one line."""
        code = (
            "import sys; from importlib.metadata import version; "
            "print(*(f'{name} {version(name)}' for name in sys.argv[1:]), sep=', ')"
        )
        names = ["django", "django-oauth-toolkit", "djangorestframework", "gunicorn", "psycopg"]
        packages = run_for_output(self.bin / "python", "-c", code, *names)
        package = BUILD / "oidc-provider" / "node_modules" / "oidc-provider" / "package.json"
        provider = json.loads(package.read_text())["version"] if package.exists() else "not used"
        server = run_for_output(postgresql_folder() / "postgres", "--version")
        return f"{packages}, oidc-provider {provider}, {server}"

    def manage(self, service, *arguments, **variables):
        """Run a management command of a service."""
        subprocess.run(
            [self.bin / "python", "manage.py", *arguments],
            cwd=self.root / service,
            env=self.environment | variables,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @contextmanager
    def serve(self, service, **variables):
        """Run a service with the project's server and one worker; yield its URL and process."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [self.bin / "python", self.root / "deploy" / "serve.py", f"127.0.0.1:{port}"]
        # With ENVIRONMENT=development the server would watch the files and log each request.
        production = {"WEB_RELOAD": "false", "WEB_ACCESS_LOG": "false"}
        environment = self.environment | production | variables
        with process(
            command, cwd=self.root / service, env=environment, url=f"{url}/health/live"
        ) as running:
            yield url, running

    @contextmanager
    def make_run(self):
        """Run ``make run``; yield its process, and the seconds until every service was ready."""
        start = time.monotonic()
        with (
            (BUILD / "log").open("ab") as log,
            running(self.root, stdout=log, stderr=subprocess.STDOUT) as process,
        ):
            yield process, time.monotonic() - start


@contextmanager
def oidc_provider():
    """Run the OpenID-certified Node server `oidc-provider`; yield its URL and process."""
    folder, port = BUILD / "oidc-provider", free_port()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "oidc_provider.mjs", folder)
    if not (folder / "node_modules").exists():
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "oidc-provider@9"]
        subprocess.run(install, cwd=folder, check=True)
    url = f"http://127.0.0.1:{port}"
    command = ["node", "oidc_provider.mjs", str(port)]
    with process(command, cwd=folder, url=f"{url}/.well-known/openid-configuration") as running:
        yield url, running


def read(path):
    """Return the text of a file in this folder."""
    return (HERE / path).read_text(encoding="utf-8")
