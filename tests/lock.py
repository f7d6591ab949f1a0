"""``make lock``: renew the lock file that the template ships.

It is made in a generated project and copied back. The answers do not matter: nothing in the lock
file depends on them, which `test_project.py` checks.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter
from stack import ROOT, copy_template


def main():
    """Write ``uv.lock`` into the template."""
    with tempfile.TemporaryDirectory() as folder:
        template = copy_template(Path(folder))
        project = Path(cookiecutter(str(template), no_input=True, output_dir=folder))
        subprocess.run(["uv", "lock", "--upgrade"], cwd=project, check=True)
        shutil.copy(project / "uv.lock", ROOT / "{{cookiecutter.project_slug}}")


if __name__ == "__main__":
    main()
