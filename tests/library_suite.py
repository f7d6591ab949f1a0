"""Run the tests of the library on both Djangos: ``make test-library``.

Django 5.2 runs with the coverage gate of ``tests/library/pyproject.toml``. Arguments are handed on
to pytest; with a selection of tests there is no gate.
"""

import os
import subprocess
import sys

from stack import ROOT, python_for_django_6_1

LIBRARY_TESTS = ROOT / "tests" / "library"


def main(arguments):
    """Return 1 when the tests fail on one of the two."""
    gate = [] if arguments else ["--cov"]
    passed = run("5.2", sys.executable, *gate, *arguments)
    newer = python_for_django_6_1()
    if newer:
        passed &= run("6.1", newer, *arguments)
    else:
        print("SKIPPED: the library on Django 6.1, which needs Python 3.12 or newer: none found.")
    return 0 if passed else 1


def run(django, python, *options):
    """Run the tests on one Django in an environment of its own; return whether they passed."""
    print(f"The library on Django {django}:", flush=True)
    environment = os.environ | {
        "UV_PYTHON": python,
        "UV_PROJECT_ENVIRONMENT": str(ROOT / "build" / "library-tests" / f"django{django}"),
        "PYTHONDONTWRITEBYTECODE": "1",  # A compiled file would be part of generated projects.
    }
    uv = ["uv", "run", "--quiet", "--locked", "--no-default-groups", "--group", "library"]
    pytest = ["pytest", "--quiet", "-p", "no:cacheprovider", "-n", "2", *options]
    command = [*uv, "--group", f"django{django}", *pytest]
    return subprocess.run(command, cwd=LIBRARY_TESTS, env=environment).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
