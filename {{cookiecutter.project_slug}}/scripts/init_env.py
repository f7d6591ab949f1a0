"""Create or complete `.env` from `.env.example`, with new secrets; then write `.secrets/` from it.

An existing line is never changed, so this can run at any time: after generation, in a new clone, in
CI, before each start. A line that is not an assignment, or sets a variable again, is refused.
Standard library only. No value is ever printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Iterator
from pathlib import Path

from _project import (
    ASSIGNMENT,
    ROOT,
    assignments,
    env_file,
    read_text,
    replace_text,
    shown,
    variables,
)
from _secret_files import FOLDER, complete_secret_files, new_secret

EXAMPLE = "change-me"
OWNER_ONLY = 0o600


def complete(path: Path) -> list[str]:
    """Add the missing variables to the env file at `path`; return their names."""
    example = read_text(ROOT / ".env.example")
    try:
        # Exclusive: of two concurrent runs, the second completes the file of the first.
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


def problems_in(path: Path) -> Iterator[str]:
    """Yield a sentence for each line of an env file that is malformed or a repetition."""
    seen: dict[str, int] = {}
    for number, line in enumerate(map(str.strip, read_text(path).splitlines()), start=1):
        match = ASSIGNMENT.fullmatch(line)
        if match is None and line and not line.startswith("#"):
            yield f"{shown(path)}, line {number}: expected NAME=value or a comment."
        if match and seen.setdefault(match[1], number) != number:
            yield (
                f"{shown(path)}, line {number}: line {seen[match[1]]} sets {match[1]} already; "
                "delete one of the two lines."
            )


def lines_to_add(example: str, present: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield name and lines of each variable of `example` that is not `present`."""
    for name, value, lines in assignments(example):
        if name not in present and f"{name}_FILE" not in present:
            if value == EXAMPLE:
                before, _, after = lines.rpartition(EXAMPLE)
                lines = before + new_secret() + after
            yield name, lines


def main() -> None:
    """Complete the env file and print the names that were added."""
    path = env_file()
    if path is None:
        return
    is_new = not path.exists()
    if not is_new and (problems := list(problems_in(path))):
        sys.exit("\n".join(problems))
    try:
        added = complete(path)
    except OSError as error:
        sys.exit(f"{shown(path)} cannot be written: {error.strerror}.")
    if is_new:
        print(f"{shown(path)}: created, with new secrets")
    elif added:
        print(f"{shown(path)}: added {', '.join(added)}")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        print(f"Other users can read {shown(path)}: chmod 600 {shown(path)}", file=sys.stderr)
    examples = [name for name, value in variables(read_text(path)).items() if value == EXAMPLE]
    if examples:
        sys.exit(
            f"{shown(path)} still says {EXAMPLE} for {', '.join(examples)}: delete these lines and "
            "run `python3 scripts/init_env.py`, which generates a secret for each."
        )
    complete_secrets()


def complete_secrets() -> None:
    """Write the secret files; print a line if the folder is new."""
    try:
        is_new = complete_secret_files()
    except OSError as error:
        sys.exit(f"{shown(FOLDER)} cannot be written: {error.strerror}.")
    if is_new:
        print(f"{shown(FOLDER)}: created, with a file for each secret of a container")


if __name__ == "__main__":
    main()
