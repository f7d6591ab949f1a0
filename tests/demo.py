"""``make demo``: generate a project, start it, try the whole flow against it, and stop it.

The project is left in ``build/demo`` to be looked at; the next demo makes it anew.
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
    """Print what is done, and how long it took."""
    print(f"\n=== {title}", flush=True)
    start = time.monotonic()
    yield
    print(f"=== {time.monotonic() - start:.1f} s", flush=True)


def make_or_exit(project, target):
    """Run a target of the generated `project`; exit with 1 when it fails."""
    if make(project, target).returncode:
        sys.exit(f"`make {target}` failed in {project}; the reason stands above.")


def main():
    """Do all of it; exit 1 at the first step that fails."""
    start = time.monotonic()
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    with step("cookiecutter: generate a project with the default answers"):
        template = copy_template(BUILD)
        project = Path(cookiecutter(str(template), no_input=True, output_dir=str(BUILD)))
    with step("make install: its environment"):
        make_or_exit(project, "install")
    with step("make run: start its services, and stop them at the end"), running(project):
        with step("make smoke: try the whole flow against them"):
            make_or_exit(project, "smoke")
    print(f"\nAll of it took {time.monotonic() - start:.0f} s. The project is in {project}.")


if __name__ == "__main__":
    main()
