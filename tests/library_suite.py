"""Run the tests of the library on both versions of Django: ``make test-library``.

On Django 5.2, 95 % of the branches must be covered. Arguments are passed to pytest; with arguments
the coverage is not measured. ``fuzz`` and options of libFuzzer fuzz the parsers: ``make fuzz``.
"""

import json
import os
import subprocess
import sys

from stack import ROOT, python_for_django_6_1

LIBRARY_TESTS = ROOT / "tests" / "library"
BUILD = ROOT / "build" / "library-tests"
MIN_BRANCHES = 95  # percent
PYTEST = ["pytest", "--quiet", "-p", "no:cacheprovider", "-n", "2"]
FUZZER = ["python", "-m", "library.fuzzing"]


def main(arguments):
    """Return 1 if the tests fail on a version of Django, else 0."""
    if arguments[:1] == ["fuzz"]:
        return 0 if run("5.2", sys.executable, *arguments[1:], command=FUZZER) else 1
    report = BUILD / "coverage.json"
    coverage = [] if arguments else ["--cov", "--cov-report=term", f"--cov-report=json:{report}"]
    passed = run("5.2", sys.executable, *coverage, *arguments)
    if passed and coverage:
        passed = covers_branches(report)
    newer = python_for_django_6_1()
    if newer:
        passed &= run("6.1", newer, *arguments)
    else:
        print("SKIPPED: the library on Django 6.1, because no Python 3.12 or newer was found.")
    return 0 if passed else 1


def covers_branches(report):
    """Print the branch coverage; return whether it is sufficient."""
    totals = json.loads(report.read_text(encoding="utf-8"))["totals"]
    percent = 100 * totals["covered_branches"] / totals["num_branches"]
    print(f"Branch coverage: {percent:.1f} %, at least {MIN_BRANCHES} % is required.")
    return percent >= MIN_BRANCHES


def run(django, python, *options, command=PYTEST):
    """Run the tests on one version of Django in its own environment; return whether they pass."""
    print(f"The library on Django {django}:", flush=True)
    environment = os.environ | {
        "UV_PYTHON": python,
        "UV_PROJECT_ENVIRONMENT": str(BUILD / f"django{django}"),
        "PYTHONDONTWRITEBYTECODE": "1",  # Compiled files would be part of generated projects.
    }
    uv = ["uv", "run", "--quiet", "--locked", "--no-default-groups", "--group", "library"]
    command = [*uv, "--group", f"django{django}", *command, *options]
    return subprocess.run(command, cwd=LIBRARY_TESTS, env=environment).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
