"""Dump every database of the running platform into ``backups/DATE/``: ``make backup``.

A dump is all of one database at one moment. Of several databases it is not the same moment; what
one service keeps about another does not hang on that. Dumps hold personal data and the hashes of
secrets: only their owner reads them here, and who copies them has to see to the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from _docker import COMPOSE, compose, reason, require_docker
from _project import ROOT, shown

BACKUPS = ROOT / "backups"
# Not those with a dot, which a restore that was interrupted has left.
DATABASES = """
    SELECT datname FROM pg_database
    WHERE NOT datistemplate AND datname <> 'postgres' AND datname NOT LIKE '%.%' ORDER BY datname
"""


def main() -> None:
    """Dump all databases, or leave nothing behind."""
    require_docker()
    names = psql(DATABASES).split()
    if not names:
        sys.exit("There is no database yet: run `make up` first.")
    folder = BACKUPS / time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime())
    # What has not got its name yet is no backup.
    draft = folder.with_name(f".unfinished-{folder.name}")
    draft.mkdir(mode=0o700, parents=True)
    try:
        for name in names:
            dump(name, draft / f"{name}.dump")
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    print(f"{shown(folder)}: {', '.join(names)}. To go back: make restore from={shown(folder)}")


def psql(statement: str) -> str:
    """Return what PostgreSQL answers, without headings; exit when it does not run."""
    return compose(
        *("exec", "--no-TTY", "postgres", "psql", "--quiet", "--no-align", "--tuples-only"),
        *("--set", "ON_ERROR_STOP=1", "--command", statement),
    )


def dump(name: str, path: Path) -> None:
    """Write a database to `path`, in the format of ``pg_restore``; exit when that fails."""
    words = [*COMPOSE, "exec", "--no-TTY", "postgres", "pg_dump", "--format=custom", name]
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        done = subprocess.run(words, cwd=ROOT, stdout=file, stderr=subprocess.PIPE)
        os.fsync(file.fileno())
    if done.returncode:
        sys.exit(f"{name} cannot be dumped: {reason(done.stderr.decode(errors='replace'))}")
    print(f"{name}: {path.stat().st_size / 1024:.0f} KiB", flush=True)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"{shown(BACKUPS)} cannot be written: {error.strerror}.")
    except KeyboardInterrupt:
        sys.exit(130)
