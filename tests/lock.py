"""``make lock``: renew the lock file of generated projects.

The file is created in a generated project and copied to the template. It does not depend on the
answers, as `test_project.py` checks.
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
