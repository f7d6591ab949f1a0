"""Make `.env`, or complete it: add what `.env.example` names and it lacks, with new secrets.

Then bring `.secrets/` in line with it, from where containers get theirs. A line that is there is
never changed, so this can run at any time: after generation, in a new clone, in CI, before each
start. Standard library only. No value is ever printed.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Container, Iterator
from pathlib import Path

from _project import ROOT, assignments, env_file, read_text, replace_text, shown, variables
from _secret_files import FOLDER, complete_secret_files

EXAMPLE = "change-me"
OWNER_ONLY = 0o600


def complete(path: Path) -> list[str]:
    """Add to the env file at `path` what it lacks, and return the names that were added."""
    example = read_text(ROOT / ".env.example")
    try:
        # Exclusive: of two that start at the same time, the second completes what the first made.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        text = read_text(path)
        missing = dict(lines_to_add(example, variables(text)))
        if missing:
            end = "" if text.endswith("\n") or not text else "\n"
            replace_text(path, text + end + "".join(missing.values()), OWNER_ONLY)
    else:
        missing = dict(lines_to_add(example, ()))
        with os.fdopen(descriptor, "wb") as file:
            file.write("".join(missing.values()).encode())
    return list(missing)


def lines_to_add(example: str, present: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield name and lines of each variable of `example` that is not among the names `present`."""
    for name, value, lines in assignments(example):
        if name not in present and f"{name}_FILE" not in present:
            if value == EXAMPLE:
                before, _, after = lines.rpartition(EXAMPLE)
                # 384 bits in 64 characters of [A-Za-z0-9_-]: Django warns of a SECRET_KEY below 50.
                lines = before + secrets.token_urlsafe(48) + after
            yield name, lines


def main() -> None:
    """Complete the env file in use and say what was added to it."""
    path = env_file()
    if path is None:
        return
    is_new = not path.exists()
    try:
        added = complete(path)
    except OSError as error:
        sys.exit(f"{shown(path)} cannot be written: {error.strerror}.")
    if is_new:
        print(f"{shown(path)}: made, with new secrets")
    elif added:
        print(f"{shown(path)}: added {', '.join(added)}")
    examples = [name for name, value in variables(read_text(path)).items() if value == EXAMPLE]
    if examples:
        sys.exit(
            f"{shown(path)} still says {EXAMPLE} for {', '.join(examples)}: delete these lines and "
            "run `python scripts/init_env.py`, which makes a secret for each."
        )
    complete_secrets()


def complete_secrets() -> None:
    """Bring the files of the secrets in line with `.env`, and say so when they are new."""
    try:
        is_new = complete_secret_files()
    except OSError as error:
        sys.exit(f"{shown(FOLDER)} cannot be written: {error.strerror}.")
    if is_new:
        print(f"{shown(FOLDER)}: made, a file for each secret that a container needs")


if __name__ == "__main__":
    main()
