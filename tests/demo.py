"""``make demo``: generate a project, start it, run the smoke flow against it, and stop it.

The project remains in ``build/demo`` until the next demo.
"""

import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from cookiecutter.main import cookiecutter
from stack import ROOT, copy_template, make, running

BUILD = ROOT / "build" / "demo"


@contextmanager
def step(title):
    """Print the title of a step and its duration."""
    print(f"\n=== {title}", flush=True)
    start = time.monotonic()
    yield
    print(f"=== {time.monotonic() - start:.1f} s", flush=True)


def make_or_exit(project, target):
    """Run a target of the generated `project`; exit with code 1 if it fails."""
    if make(project, target).returncode:
        sys.exit(f"`make {target}` failed in {project}: see above.")


def main():
    """Run every step; exit with code 1 at the first failure."""
    start = time.monotonic()
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    with step("cookiecutter: generate a project with the default answers"):
        template = copy_template(BUILD)
        project = Path(cookiecutter(str(template), no_input=True, output_dir=str(BUILD)))
    with step("make install: install its dependencies"):
        make_or_exit(project, "install")
    with step("make run: start its services, and stop them at the end"), running(project):
        with step("make smoke: run the smoke flow against them"):
            make_or_exit(project, "smoke")
    print(f"\nThe demo took {time.monotonic() - start:.0f} s. The project is in {project}.")


if __name__ == "__main__":
    main()
