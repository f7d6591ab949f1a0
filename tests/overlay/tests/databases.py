"""PostgreSQL servers that tests stop and start, services that use them, and what these answer."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import psycopg
import requests
from conftest import ROOT, free_port

PROGRAMS = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin") or ["/usr/bin"])[-1])
PASSWORD = "a-password-that-must-not-be-logged"
IS_INSTALLED = (PROGRAMS / "initdb").exists()


class PostgreSQL:
    """A server that can be stopped and started again; `role` connects to each database."""

    def __init__(self, folder):
        self.folder, self.port, self.is_running = folder, free_port(), False
        # PostgreSQL refuses to run as root.
        self.options = {"user": "postgres"} if os.geteuid() == 0 else {}
        if self.options:
            shutil.chown(folder, "postgres")

    def run(self, program, *arguments):
        """Run a program of PostgreSQL."""
        command = [PROGRAMS / program, "-D", self.folder / "data", *arguments]
        subprocess.run(
            command, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=120, **self.options
        )

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c fsync=off -c listen_addresses=127.0.0.1"
        if not self.is_running:
            self.run("pg_ctl", "start", "-w", "-s", "-l", self.folder / "log", "-o", options)
        self.is_running = True

    def stop(self):
        if self.is_running:
            self.run("pg_ctl", "stop", "-w", "-s", "-m", "fast")
        self.is_running = False

    def execute(self, *statements):
        """Execute statements as the administrator."""
        address = f"host=127.0.0.1 port={self.port} user=administrator dbname=postgres"
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(address, autocommit=True, options=options) as connection:
            for statement in statements:
                connection.execute(statement)

    def url(self, name):
        return f"postgres://role:{PASSWORD}@127.0.0.1:{self.port}/{name}"


@contextmanager
def running():
    """Run a server with the role `role`, and yield it."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short enough for a socket
    folder.chmod(0o755)
    server = PostgreSQL(folder)
    server.run("initdb", "-U", "administrator", "-A", "trust")
    server.start()
    try:
        server.execute(f"CREATE ROLE role LOGIN PASSWORD '{PASSWORD}'")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def prepare(stack, folder, variables, *steps):
    """Run commands of a service with its database."""
    for step in steps:
        subprocess.run(
            [sys.executable, "manage.py", *step.split()],
            cwd=ROOT / folder,
            env=stack.environment | stack.env | variables,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def token_request(stack, server, scope="orders:read"):
    """Ask for an access token of a program."""
    client = stack.env["DEMO_MACHINE_CLIENT_ID"], stack.env["DEMO_MACHINE_CLIENT_SECRET"]
    data = {"grant_type": "client_credentials", "scope": scope}
    return requests.post(f"{server.url}/o/token/", data, auth=client, timeout=30)


def is_503_in_json(response):
    """Return whether a program is told to come back, and nothing else."""
    is_json = response.headers["Content-Type"].startswith("application/json")
    return (
        response.status_code == 503
        and int(response.headers["Retry-After"]) > 0
        and is_json
        and response.json()["error"] == "temporarily_unavailable"
    )


@contextmanager
def asked_meanwhile(introspect):
    """Introspect an active token in eight threads during the block; yield the list of results.

    A result is whether the token was active, or the answer 503 in JSON. `introspect` gets a session
    of its thread.
    """
    results, is_over = [], Event()

    def ask():
        session = requests.Session()
        while not is_over.is_set():
            response = introspect(session)
            is_active = response.status_code == 200 and response.json()["active"]
            results.append(is_active or is_503_in_json(response))

    with ThreadPoolExecutor(8) as callers:
        asking = [callers.submit(ask) for _ in range(8)]
        try:
            yield results
        finally:
            is_over.set()
        for each in asking:
            each.result()
