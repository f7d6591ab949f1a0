"""Run the tests of the project: ``make test``, or one suite: ``make test only=orders``.

Each suite runs in its own process and folder, because the services have packages of the same names.
"""

from __future__ import annotations

import subprocess
import sys

from _project import ROOT, shown

# The end-to-end tests come last.
SUITES = ("authorization_server", "packages/*", "resource_servers/*", "tests")


def main() -> int:
    """Return 1 if a suite failed."""
    folders = [path.parent for suite in SUITES for path in sorted(ROOT.glob(f"{suite}/pytest.ini"))]
    names = [folder.name for folder in folders]
    if unknown := [name for name in sys.argv[1:] if name not in names]:
        sys.exit(f"There is no suite {', '.join(unknown)}. Suites: {', '.join(names)}.")
    failed = []
    for folder in folders:
        if folder.name in (sys.argv[1:] or names):
            print(f"=== {shown(folder)}", flush=True)
            if subprocess.run([sys.executable, "-m", "pytest", "--quiet"], cwd=folder).returncode:
                failed.append(shown(folder))
    print(f"=== FAILED: {', '.join(failed)}" if failed else "=== All suites passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
