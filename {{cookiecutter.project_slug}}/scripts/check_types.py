"""Check the types of every part of the project: ``make lint``.

Each service is checked by itself and from its own folder, because the packages inside have the
same names in all of them.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Return 1 if mypy has found an error in any folder."""
    manifests = sorted(ROOT.glob("resource_servers/*/resource_server.toml"))
    folders = [
        ROOT / "scripts",
        ROOT / "packages" / "service_kit",
        ROOT / "authorization_server",
        *(manifest.parent for manifest in manifests),
    ]
    failed = False
    for folder in folders:
        print(f"mypy {folder.relative_to(ROOT)}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", "mypy"], cwd=folder).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
