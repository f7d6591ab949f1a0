"""Run every test of the project: ``make test``. Arguments are handed on to pytest.

Each suite runs in a process and a folder of its own, because the services have packages of the same
names. Two run at a time; the end-to-end tests come last, with the machine to themselves.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _project import ROOT, shown

PARALLEL = 2
NO_TESTS_COLLECTED = 5


def main() -> int:
    """Return 1 when a test has failed anywhere."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--"]:
        del arguments[0]
    patterns = ("authorization_server", "packages/*", "resource_servers/*")
    suites = [path.parent for name in patterns for path in sorted(ROOT.glob(f"{name}/pytest.ini"))]
    with ThreadPoolExecutor(PARALLEL) as pool:
        passed = list(pool.map(lambda suite: run_suite(suite, arguments), suites))
    passed.append(run_suite(ROOT / "tests", arguments))
    return 0 if all(passed) else 1


def run_suite(folder: Path, arguments: list[str]) -> bool:
    """Run the tests of a folder, print a summary or the failures; return whether all passed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--quiet", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    # With a selection among the arguments, most suites have nothing to run.
    passed = done.returncode == 0 or (done.returncode == NO_TESTS_COLLECTED and bool(arguments))
    output = done.stdout.strip()
    summary = output.rpartition("\n")[2]
    if passed:
        print(f"passed  {shown(folder)}: {summary}", flush=True)
    else:
        print(f"{output}\nFAILED  {shown(folder)}", flush=True)
    return passed


if __name__ == "__main__":
    sys.exit(main())
