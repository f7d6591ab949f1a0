"""Check the types of every part of the project: ``make lint``.

Each service is checked by itself and from its own folder, because the packages inside have the
same names in all of them.
"""

import subprocess
import sys

from _project import AUTHORIZATION_SERVER, ROOT, resource_servers, shown


def main() -> int:
    """Return 1 if mypy has found an error in any folder."""
    services = [AUTHORIZATION_SERVER, *resource_servers()]
    folders = [ROOT / "scripts", ROOT / "packages" / "service_kit"]
    failed = False
    for folder in [*folders, *(service.folder for service in services)]:
        print(f"mypy {shown(folder)}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", "mypy"], cwd=folder).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
