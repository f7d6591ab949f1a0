"""PgBouncer in transaction mode, in front of a PostgreSQL server of `databases`."""

import os
import shutil
import subprocess
from pathlib import Path

import psycopg
from conftest import ROOT, free_port, until
from databases import PASSWORD

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"  # is not in the path of every user
IS_INSTALLED = Path(PROGRAM).exists()
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DOCUMENTED = PAGE.partition("```ini\n")[2].partition("```")[0]
POOL_SIZE = 2  # so that clients share connections in any case
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={database_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
admin_users = role
default_pool_size = {pool_size}
{documented}
"""


class PgBouncer:
    """A pooler that can be stopped and started again."""

    def __init__(self, folder, postgresql):
        self.folder, self.port = folder, free_port()
        self.log = folder / "pgbouncer.log"
        text = CONFIGURATION.format(
            folder=folder,
            port=self.port,
            database_port=postgresql.port,
            pool_size=POOL_SIZE,
            documented=DOCUMENTED,
        )
        (folder / "pgbouncer.ini").write_text(text)
        (folder / "users").write_text(f'"role" "{PASSWORD}"\n')
        # PgBouncer refuses to run as root.
        self.options = {"user": "postgres"} if os.geteuid() == 0 else {}

    def start(self):
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [PROGRAM, self.folder / "pgbouncer.ini"], stderr=output, **self.options
            )
        until(lambda: self.figures("SHOW VERSION"))

    def stop(self):
        self.process.kill()
        self.process.wait(timeout=30)

    def figures(self, command):
        """Return the rows of a command of its console, None where it does not answer."""
        address = f"host=127.0.0.1 port={self.port} user=role password={PASSWORD} dbname=pgbouncer"
        try:
            with psycopg.connect(address, autocommit=True, prepare_threshold=None) as console:
                # It speaks the simple protocol only.
                return psycopg.ClientCursor(console).execute(command).fetchall()
        except psycopg.OperationalError:
            return None

    def url(self, name):
        """Return the URL of a database behind it."""
        return f"postgres://role:{PASSWORD}@127.0.0.1:{self.port}/{name}?prepare_threshold=none"
